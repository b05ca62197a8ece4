"""What a card says of an adapter is what its record says."""

import re
from dataclasses import replace

import pytest
import yaml

from hfru_core.adapters.model_card import adapter_card, merged_card
from hfru_core.adapters.record import AdapterRecord, Part, read_record
from tests.conftest import ROOT

SHIPPED = sorted((ROOT / "assets" / "adapters").iterdir())


@pytest.fixture
def record() -> AdapterRecord:
    return read_record(SHIPPED[0])


def changed(record: AdapterRecord, **settings: object) -> AdapterRecord:
    return replace(record, config={**record.config, **settings})


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda p: p.name)
def test_shipped_cards_are_those_of_their_records(folder) -> None:
    assert (folder / "README.md").read_text() == adapter_card(read_record(folder))


@pytest.mark.parametrize(
    ("scope", "title", "words"),
    [
        ("encoder", "# Vision encoder that", "the vision tower; the language model is untouched"),
        ("encoder+projector", "# Vision encoder that", "the vision tower and the projector; the"),
        ("decoder", "# Language model that", "the vision encoder is untouched"),
        ("all", "# Model that", "its language model too"),
        ("unknown", "# Model that", "its language model too"),
    ],
)
def test_a_card_names_what_was_adapted(
    record: AdapterRecord, scope: str, title: str, words: str
) -> None:
    made = changed(record, scope=scope)
    assert title in adapter_card(made) and words in adapter_card(made)
    assert words in merged_card(made)


def test_a_sum_changes_what_any_of_its_parts_does(record: AdapterRecord) -> None:
    def card(*scopes: str | None) -> str:
        parts = tuple(Part("0" * 64, 1.0, ("dog",), scope) for scope in scopes)
        return adapter_card(replace(record, parts=parts))

    assert "its language model too" in card("encoder", "decoder")
    # None: made before parts noted their scope
    assert "the language model is untouched" in card(None, "encoder")
    assert "the projector; the language model is untouched" in card("encoder", "encoder+projector")


def test_a_card_tells_which_step_was_kept(record: AdapterRecord) -> None:
    assert "the best step was chosen" in adapter_card(changed(record, select_best=True))
    assert "the last step was kept" in adapter_card(changed(record, select_best=False))


NASTY = "dog](http://evil) <img src=x> # **bold** | `code`"


def test_names_are_shown_as_they_are_and_the_head_stays_yaml(record: AdapterRecord) -> None:
    base = replace(record.base, name="evil: [x]\nlicense: other # ")
    concept = replace(record.concepts[0], name=NASTY)
    for card in (adapter_card, merged_card):
        text = card(replace(record, base=base, concepts=(concept,)))
        _, head, body = text.split("---\n", 2)
        values = yaml.safe_load(head)
        assert values["base_model"] == base.name and values["license"] == "apache-2.0"
        for markup in ("](http", "<img", "**bold"):
            assert not re.search(rf"(?<!\\){re.escape(markup)}", body), "shown, not used"
