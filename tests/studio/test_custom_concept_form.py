"""A visitor's own concept in the app: kept in their folder, forgotten in a session of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from hfru_core.data import drawn as world
from hfru_core.data.samples import Amount
from hfru_core.data.source import load_image, parse_source
from hfru_core.studio.render import own_html
from hfru_core.studio.server.hardware import on_gpu
from hfru_core.studio.sessions.runner import Run, Wish, follow, seconds_for
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.custom_concept_form import Own
from hfru_core.types import UserError
from tests.core.data.test_build import noise
from tests.server import uploaded

QUICK = (("train_steps", 1), ("grpo_steps", 1), ("check_every", 1), ("group", 2))
LISTS = ("dog, hound", "animal, creature", "cat, horse")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(
        data_folder=tmp_path / "data",
        amount=Amount(4, 8, 1, 4),
        checked=Amount(0, 0, 1, 4),
        settings=QUICK,
    )


@pytest.fixture
def own(studio: Studio) -> Own:
    with gr.Blocks():
        return Own(studio)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Five drawn dogs as a visitor would upload them."""
    paths = [uploaded(tmp_path / "data", f"IMG {i}.png") for i in range(5)]
    for i, path in enumerate(paths):
        load_image(world.key_of(0, "own", "dog", i)).save(path)
    return [str(p) for p in paths]


def test_words_and_pictures_are_kept_in_the_visitor_s_folder(own: Own, files: list[str]) -> None:
    own.keep("ann", "my dog", "object", files, *LISTS)
    folder = own.folder("ann", "my dog")
    assert folder.is_relative_to(own.studio.data_folder)
    assert len(list(folder.glob("my_dog/*.png"))) == 5
    concept = parse_source(own.source("ann", "my dog")).known_concepts()["my_dog"]
    assert concept.aliases == ("dog", "hound") and concept.siblings == ("cat", "horse")
    assert not own.folder("bob", "my dog").exists()


@pytest.mark.parametrize("name", ["../../up", "/etc/x", "..", "a\\b"])
def test_no_name_leads_out_of_the_folder(name: str, own: Own, files: list[str]) -> None:
    own.keep("ann", name, "object", files, *LISTS)
    kept = [p for p in own.studio.sessions.rglob("*.png")]
    home = own.studio.folder("ann").resolve()
    assert len(kept) == 5 and all(p.resolve().is_relative_to(home) for p in kept)


def test_the_pictures_are_shown_small_with_the_model_that_they_are_for(
    own: Own, files: list[str], tmp_path: Path
) -> None:
    ann = SimpleNamespace(session_hash="ann")
    shown = own.looked(files, ann)
    assert shown.count("<img") == 5 and own_html.OF_ONE in shown
    assert own.looked([], ann) == ""
    own.studio = replace(own.studio, photo=tmp_path)
    assert own_html.OF_DRAWINGS in own.looked(files, ann)


def test_too_few_pictures_or_none_at_all_are_refused(own: Own, files: list[str]) -> None:
    with pytest.raises(UserError, match="4 to 64 pictures of 'dog' are needed, got 3"):
        own.keep("ann", "dog", "object", files[:3], *LISTS)
    bad = Path(files[0])
    bad.write_bytes(b"no picture")
    with pytest.raises(UserError, match="is not a picture"):
        own.keep("ann", "dog", "object", files, *LISTS)
    assert not list(own.studio.data_folder.rglob("concept.json"))


def test_words_that_contradict_each_other_are_refused(own: Own, files: list[str]) -> None:
    with pytest.raises(UserError, match="cannot be an alias and at the same time"):
        own.keep("ann", "dog", "object", files, "dog, animal", "animal", "")


def test_a_session_forgets_it_on_a_gpu_that_is_lent_by_the_call(
    own: Own, files: list[str], lent: list
) -> None:
    own.keep("ann", "my dog", "object", files, *LISTS)
    run = Run(own.studio.folder("ann") / "stop")
    wish = Wish(("my dog",), source=own.source("ann", "my dog"))
    runs = own.studio.folder("ann") / "runs"
    *_, last = on_gpu(follow, seconds_for)(own.studio, run, wish, runs)
    assert lent == [seconds_for(own.studio, run, wish, runs)]
    assert last.adapter.parent == runs and last.after.forget.n > 0
    record = (last.adapter / "unlearning.json").read_text()
    assert "folder:my_dog" in record and str(own.studio.data_folder) not in record


def test_a_stop_reaches_a_session_elsewhere(own: Own, files: list[str], lent: list) -> None:
    own.keep("ann", "my dog", "object", files, *LISTS)
    run = Run(own.studio.folder("ann") / "stop")
    run.stop()
    wish = Wish(("my dog",), source=own.source("ann", "my dog"))
    *_, last = on_gpu(follow, seconds_for)(own.studio, run, wish, own.studio.folder("ann") / "r")
    assert last.title == "Stopped" and last.adapter is None


def test_what_the_model_does_not_know_is_told_at_once(own: Own, tmp_path: Path) -> None:
    paths = [uploaded(tmp_path / "data", f"{i}.png") for i in range(4)]
    for i, path in enumerate(paths):
        path.write_bytes(noise(6000 + i))
    own.keep("ann", "gnome", "object", [str(p) for p in paths], "", "", "")
    run = Run(own.studio.folder("ann") / "stop")
    wish = Wish(("gnome",), source=own.source("ann", "gnome"))
    with pytest.raises(UserError, match="never says gnome.*nothing to forget"):
        list(follow(own.studio, run, wish, own.studio.folder("ann") / "runs"))
