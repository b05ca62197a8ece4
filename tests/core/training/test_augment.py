"""Few pictures: other looks of them, which the model itself still names, are lessons too."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from PIL import Image, ImageChops

from hfru_core.concepts import parse
from hfru_core.data.build import build
from hfru_core.data.images import MADE, varied
from hfru_core.data.request_variants import single
from hfru_core.data.samples import Amount
from hfru_core.data.source import DRAWN, load_image
from hfru_core.language.mentions import mentions
from hfru_core.methods.hfru import preset
from hfru_core.model import vlm
from hfru_core.training.augment import BATCH, augmented
from hfru_core.types import UnlearnData

WANTED = 12
CONFIG = preset("default", ()).with_(augment_to=WANTED)


class Stubborn:
    """A model that says the same about every picture, and counts how often it was asked."""

    def __init__(self, says: str) -> None:
        self.says, self.asked = says, 0

    def answer(self, images: Sequence, questions: Sequence[str]) -> list[str]:
        self.asked += len(questions)
        return [self.says] * len(questions)


@pytest.fixture(scope="module")
def one() -> UnlearnData:
    """One picture of a dog beside a tree, and one of an elephant."""
    concepts = parse("dog,elephant", DRAWN.known_concepts())
    return single(build(concepts, amount=Amount(20, 40, 4, 4)))


def made_of(before: UnlearnData, after: UnlearnData) -> list:
    return [s for s in after.samples if s not in before.samples]


def test_each_concept_gets_pictures_that_the_model_still_names(one: UnlearnData) -> None:
    model = vlm.load()
    after = augmented(model, one, CONFIG)
    words = {c.id: c.aliases for c in one.concepts}
    for concept in one.concepts:
        mine = [s for s in after.select("forget", "train") if s.concept_id == concept.id]
        assert len({s.image for s in mine}) == WANTED
    for s in (made := made_of(one, after)):
        assert not any(mentions(s.safe_answer, w) for w in words.values())
        if s.topic != "exists":
            assert mentions(s.answer, words[s.concept_id])
            assert all(mentions(s.answer, (n,)) for n in s.names)
    shown = [s for s in made if s.topic == "describe"]
    assert model.answer([load_image(s.image) for s in shown], [s.question for s in shown]) == [
        s.answer for s in shown
    ]
    assert augmented(model, one, CONFIG) == after
    assert all(s in after.samples for s in one.samples)


def test_nothing_is_made_where_there_are_enough_or_none_are_wanted(one: UnlearnData) -> None:
    model = Stubborn("A dog and an elephant.")
    assert augmented(model, one, CONFIG.with_(augment_to=1)) == one
    assert augmented(model, one, preset("paper", ())) == one
    assert not model.asked


def test_what_the_model_no_longer_names_is_no_lesson_and_the_search_ends(one: UnlearnData) -> None:
    model = Stubborn("A cat.")
    assert augmented(model, one, CONFIG) == one
    assert 0 < model.asked <= 2 * BATCH


def test_what_is_cut_off_is_not_taught(one: UnlearnData) -> None:
    made = made_of(one, augmented(Stubborn("A dog and an elephant."), one, CONFIG))
    assert made and {n for s in made for n in s.names if s.topic != "exists"} <= {"dog", "elephant"}
    assert any("tree" in s.names for s in one.select("forget", "train"))


@pytest.mark.parametrize("size", [(128, 128), (40, 90), (1, 1), (1024, 300)])
def test_a_look_is_the_same_for_a_number_and_another_for_others(size: tuple[int, int]) -> None:
    picture = Image.effect_mandelbrot(size, (-2, -1, 1, 1), 50).convert("RGB")
    looks = [varied(picture, n) for n in range(40)]
    longest = min(MADE, max(size))
    assert all(max(i.size) == longest and i.mode == "RGB" for i in looks)
    assert ImageChops.difference(looks[3], varied(picture, 3)).getbbox() is None
    if size == (128, 128):
        assert len({i.tobytes() for i in looks}) > 35
