"""The opening's answers: kept for the next start, and for nothing that they were not made from."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hfru_core.data.source import load_image
from hfru_core.paths import ADAPTERS, MODEL, PHOTO
from hfru_core.studio.server import first_page as module
from hfru_core.studio.server.first_page import beside, keep, opening, recalled
from hfru_core.studio.sessions import models as shared
from hfru_core.studio.sessions.models import two_answers
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.compare import first_cards
from hfru_core.studio.tabs.compare_photograph import shown


@pytest.fixture
def studio(tiny_folder: Path, trained: Path, tmp_path: Path) -> Studio:
    shutil.copytree(trained, tmp_path / "adapters" / "no-dogs")
    return Studio(tiny_folder, tmp_path / "data", tmp_path / "adapters")


def test_what_is_kept_is_what_the_models_say(studio: Studio) -> None:
    asked = opening(studio)
    assert recalled(studio, asked) is None
    assert "waiting" in first_cards(studio)
    keep(studio)
    said = recalled(studio, asked)
    assert said == two_answers(studio.model, load_image(asked.key), asked.question, asked.folder)
    assert 'data-testid="unlearned"' in first_cards(studio)


def test_other_weights_words_or_packages_are_asked_again(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(studio)
    asked = opening(studio)
    assert recalled(studio, asked._replace(question="Who is this?")) is None
    monkeypatch.setattr(module, "version", lambda package: "another")
    assert recalled(studio, asked) is None
    monkeypatch.undo()
    (asked.folder / "README.md").write_text("Another card of the same weights.")
    assert recalled(studio, asked)
    weights = asked.folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    assert recalled(studio, asked) is None


@pytest.mark.parametrize("text", ['{"of": ', "[]", "{}"])
def test_a_damaged_record_counts_as_none(studio: Studio, text: str) -> None:
    studio.data_folder.mkdir()
    (studio.data_folder / module.FILE).write_text(text)
    assert recalled(studio, opening(studio)) is None


def test_who_comes_while_a_model_is_loaded_waits_for_it() -> None:
    made = []

    @shared.shared(2)
    def load(name: str) -> object:
        time.sleep(0.05)
        made.append(name)
        return object()

    threads = [threading.Thread(target=load, args=("a",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["a"] and load("a") is load("a")


def test_a_damaged_adapter_or_a_model_elsewhere_has_no_opening(studio: Studio) -> None:
    """The page is built all the same, and no other model's answers are shown."""
    assert opening(replace(studio, model=Path("owner/name"))) is None
    for record in studio.adapters.glob("*/unlearning.json"):
        record.write_text("{")
    assert opening(studio) is None and "waiting" in first_cards(studio)


def test_what_is_shipped_is_what_the_shipped_models_say(tmp_path: Path) -> None:
    """If not: python -m hfru_core.studio.server.first_page"""
    shipped = Studio(data_folder=tmp_path, photo=PHOTO)
    asked = opening(shipped)
    said = recalled(shipped, asked)
    assert said == two_answers(asked.model, load_image(asked.key), asked.question, asked.folder)
    photo = beside(shipped)
    said = two_answers(photo.model, load_image(photo.key), photo.question, photo.folder)
    assert said[0] and recalled(shipped, photo) in (None, said)


def test_the_photograph_is_answered_by_its_model_and_its_first_adapter(studio: Studio) -> None:
    """The tiny model stands for that of photographs: first without an adapter of it, then with."""
    both = replace(studio, model=MODEL, photo=studio.model, adapters=ADAPTERS)
    assert beside(both)[::4] == (studio.model, None)
    asked = beside(replace(both, adapters=studio.adapters))
    assert asked.folder == studio.adapters / "no-dogs"
    keep(replace(both, adapters=studio.adapters))
    page = shown(asked, recalled(both, asked))
    assert page.count("<dd") == 2 and "Without dog" in page and "CC BY 2.0" in page
    assert opening(replace(both, adapters=studio.adapters)) is None  # none of the drawn world's
