"""What a card says of an adapter is what its record says."""

import json

import pytest

from hfru_core.adapters.model_card import adapter_card, merged_card
from tests.conftest import ROOT

SHIPPED = sorted((ROOT / "assets" / "adapters").iterdir())


@pytest.fixture
def info() -> dict:
    return json.loads((SHIPPED[0] / "unlearning.json").read_text())


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda p: p.name)
def test_shipped_cards_are_those_of_their_records(folder) -> None:
    record = json.loads((folder / "unlearning.json").read_text())
    assert (folder / "README.md").read_text() == adapter_card(record)


@pytest.mark.parametrize(
    ("scope", "title", "words"),
    [
        ("encoder", "# Vision encoder that", "the vision tower; the language model is untouched"),
        ("encoder+projector", "# Vision encoder that", "the vision tower and the projector; the"),
        ("decoder", "# Language model that", "the vision encoder is untouched"),
        ("all", "# Model that", "its language model too"),
    ],
)
def test_a_card_names_what_was_adapted(info: dict, scope: str, title: str, words: str) -> None:
    info["config"]["scope"] = scope
    assert title in adapter_card(info) and words in adapter_card(info)
    assert words in merged_card(info)


def test_a_sum_changes_what_any_of_its_parts_does(info: dict) -> None:
    part = {"concepts": ["dog"], "strength": 1.0, "weights": "0" * 64}
    info["parts"] = [{**part, "scope": "encoder"}, {**part, "scope": "decoder"}]
    assert "its language model too" in adapter_card(info)
    info["parts"] = [part, {**part, "scope": "encoder"}]  # made before parts told their scope
    assert "the language model is untouched" in adapter_card(info)
    info["parts"] = [{**part, "scope": "encoder"}, {**part, "scope": "encoder+projector"}]
    assert "the projector; the language model is untouched" in adapter_card(info)


def test_a_card_tells_which_step_was_kept(info: dict) -> None:
    info["config"]["select_best"] = True
    assert "the best step was chosen" in adapter_card(info)
    info["config"]["select_best"] = False
    assert "the last step was kept" in adapter_card(info)
