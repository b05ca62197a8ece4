"""Which model is asked, and what it is not asked: pictures and questions that it cannot know."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from hfru_core.adapters.record import INFO
from hfru_core.data.images import Image
from hfru_core.data.source import load_image
from hfru_core.paths import ADAPTERS, PHOTO
from hfru_core.studio.examples import example_key
from hfru_core.studio.sessions import asking, taught
from hfru_core.studio.sessions.asking import ask, fitting, model_for
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.photograph import key as photograph_key
from hfru_core.studio.sessions.runner import model_of
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.adapters import Adapters
from hfru_core.studio.tabs.compare import Compare
from tests.measure.far_or_not import KINDS


@pytest.fixture
def studio(tiny_folder: Path, trained: Path, tmp_path: Path) -> Studio:
    """The bundled model, and the tiny one in the place of that of photographs."""
    adapters = tmp_path / "adapters"
    adapters.mkdir()
    (adapters / "dog").symlink_to(ADAPTERS / "dog")
    (adapters / "no-dogs").symlink_to(trained)
    return Studio(data_folder=tmp_path / "data", adapters=adapters, photo=tiny_folder)


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.fromarray(load_sample_image("china.jpg"))


def test_a_photograph_goes_to_one_model_and_a_drawn_picture_to_the_other(
    studio: Studio, photograph: Image.Image
) -> None:
    drawn = load_image(example_key("dog"))
    assert model_for(studio, "", photograph) == studio.photo
    assert model_for(studio, "", drawn.resize((300, 300))) == studio.model
    assert model_for(studio, example_key("dog"), drawn) == studio.model


def test_an_adapter_answers_only_about_pictures_of_its_own_model(
    studio: Studio, photograph: Image.Image
) -> None:
    world, photo = (studio.adapters / n for n in ("dog", "no-dogs"))
    assert ask(studio, "", photograph, "What is it?", photo).unlearned is not None
    other = ask(studio, "", photograph, "What is it?", world)
    assert other.original and other.unlearned is None and other.misfit == asking.MISFIT
    drawn = load_image(example_key("dog"))
    assert ask(studio, "", drawn, "What is it?", world).unlearned == "An animal."
    assert ask(studio, "", drawn, "What is it?", photo).misfit == asking.MISFIT


def test_a_picture_like_nothing_that_was_taught_is_not_judged(
    tmp_path: Path, photograph: Image.Image
) -> None:
    """If not, after `photo` was trained anew: python -m tests.measure.far_or_not"""
    studio = Studio(data_folder=tmp_path, photo=PHOTO)
    assert ask(studio, "", photograph, "What is it?", None).remark == ""
    for kind in ("noise", "plain colours", "written digits", "drawn like an X-ray"):
        far = KINDS[kind](np.random.default_rng(5))
        said = ask(studio, "", far, "What is it?", None)
        assert said.original and said.remark == asking.FAR, kind


def test_with_the_model_of_photographs_alone_only_its_adapters_are_offered(
    studio: Studio, trained: Path
) -> None:
    alone = replace(studio, model=PHOTO, photo=None)
    assert alone.photographs == PHOTO and [*alone.choices("")] == ["shipped/no-dogs"]
    with gr.Blocks():
        tab = Compare(alone)
    assert tab.first == photograph_key() and tab.gallery.visible is False
    assert "--model photo" in tab.command.value


def test_the_adapters_tab_asks_no_model_that_an_adapter_does_not_fit(studio: Studio) -> None:
    with gr.Blocks():
        tab = Adapters(studio)
    _, _, file, picture, _, answers, _ = tab.show(
        "shipped/no-dogs", SimpleNamespace(session_hash="a")
    )
    assert asking.NO_PICTURES in answers and picture.value is None and file.value


def test_the_adapter_follows_the_picture(studio: Studio) -> None:
    assert fitting(studio, "", "shipped/dog", studio.photo) == "shipped/no-dogs"
    assert fitting(studio, "", "shipped/no-dogs", studio.photo) == "shipped/no-dogs"
    assert fitting(studio, "", "shipped/no-dogs", studio.model) == "shipped/dog"
    assert ("Without dog, in photographs", "shipped/no-dogs") in studio.labels("")


def test_a_concept_of_photographs_is_forgotten_by_their_model(
    studio: Studio, photograph: Image.Image, tmp_path: Path
) -> None:
    for name, shown in (("a", photograph), ("b", load_image(example_key("dog")))):
        (tmp_path / name / "it").mkdir(parents=True)
        shown.save(tmp_path / name / "it" / "000.png")
    assert asking.are_photographs(studio, [*(tmp_path / "a").glob("*/*.png")])
    assert not asking.are_photographs(studio, [*(tmp_path / "b").glob("*/*.png")])
    assert model_of(studio, Wish(("it",), photo=True)) == studio.photo
    assert model_of(studio, Wish(("it",))) == studio.model
    assert "--model photo" in Wish(("it",), photo=True).command()


def test_without_its_model_nothing_is_said_of_a_photograph(
    tmp_path: Path, photograph: Image.Image
) -> None:
    said = ask(Studio(data_folder=tmp_path), "", photograph, "What is it?", None)
    assert said.original is None and said.remark == asking.UNSEEN


@pytest.mark.parametrize(
    "question",
    ["hello", "Was ist das?", "这是什么？", "Write a poem", "What is an ocelot's job?", "?!"],
)
def test_a_question_with_words_that_no_model_knows_is_not_asked(question: str) -> None:
    for known in (taught.drawn_world(), taught.photographs()):
        remark, asked = taught.remark(known, question)
        assert remark and not asked


def test_what_was_taught_is_judged_and_what_was_not_has_a_remark() -> None:
    drawn, photo = taught.drawn_world(), taught.photographs()
    for question in ("What is it?", "is there any dog in the image", "Do you see a cat?"):
        assert taught.remark(drawn, question) == taught.remark(photo, question) == ("", True)
    assert taught.remark(photo, "Which breed is it?") == ("", True)
    assert taught.remark(photo, "Is there an elephant in the image?") == ("", True)
    assert taught.remark(drawn, "Which breed is it?")[1] is False
    assert taught.remark(drawn, "What animal do you see?") == (taught.UNTAUGHT, True)


@pytest.mark.parametrize("name", ["{secret}", "../../bob/own/cat", "..", ".", ""])
def test_a_record_that_names_a_folder_shows_nothing_of_it(
    studio: Studio, trained: Path, tmp_path: Path, name: str
) -> None:
    """An adapter that a visitor uploads says of itself what it was made from."""
    for place in (tmp_path / "secret", studio.folder("bob") / "own" / "cat"):
        (place / "cat").mkdir(parents=True)
    evil = shutil.copytree(trained, studio.folder("ann") / "runs" / "evil")
    info = json.loads((evil / INFO).read_text())
    info["data"]["source"] = "folder:" + name.format(secret=tmp_path / "secret")
    (evil / INFO).write_text(json.dumps(info))
    assert evil in studio.own("ann") and studio.own_pictures("ann", evil) is None


def test_the_pictures_of_ones_own_concept_are_found(studio: Studio, trained: Path) -> None:
    mine = shutil.copytree(trained, studio.folder("ann") / "runs" / "mine")
    info = json.loads((mine / INFO).read_text())
    info["data"]["source"] = "folder:cat"
    (mine / INFO).write_text(json.dumps(info))
    place = studio.folder("ann") / "own" / "cat"
    place.mkdir(parents=True)
    assert studio.own_pictures("ann", mine) == f"folder:{place.absolute()}"
    assert studio.own_pictures("bob", mine) is None
