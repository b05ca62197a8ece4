"""One look at a picture for all questions: the same answers, fewer passes of the tower."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hfru_core.data import drawn as world
from hfru_core.data.source import load_image
from hfru_core.model import image_token_cache
from hfru_core.model.image_token_cache import ImageTokenCache
from hfru_core.model.vlm import VLM

QUESTIONS = ("What is it?", "Please describe this image.", "Is there any dog in the image?")


@pytest.fixture
def asked() -> tuple[list, list[str]]:
    """Three pictures, each asked every question."""
    images = [load_image(world.key_of(0, "looks", n, 0)) for n in ("dog", "car", "cat")]
    return [i for i in images for _ in QUESTIONS], list(QUESTIONS) * len(images)


@pytest.fixture
def passes(tiny: VLM) -> list[int]:
    """How many pictures went through the tower, pass by pass."""
    seen: list[int] = []
    tiny.tower.register_forward_hook(lambda m, args, out: seen.append(len(out[0])))
    return seen


def test_the_answers_are_the_same_and_each_picture_is_seen_once(
    tiny: VLM, asked: tuple, passes: list[int]
) -> None:
    plain = tiny.answer(*asked, max_new=6)
    assert sum(passes) >= 9
    passes.clear()
    model = replace(tiny, image_tokens=ImageTokenCache())
    assert model.answer(*asked, max_new=6) == plain
    before = sum(passes)
    assert model.answer(*asked, max_new=6) == plain
    assert sum(passes) == before  # nothing was left to look at
    assert model.answer([None], ["What is a dog?"]) == tiny.answer([None], ["What is a dog?"])


def test_what_is_remembered_has_a_bound(
    tiny: VLM, asked: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tiny.answer(*asked, max_new=6)
    monkeypatch.setattr(image_token_cache, "MOST", 0)
    model = replace(tiny, image_tokens=ImageTokenCache(), batch=4)
    assert model.answer(*asked, max_new=6) == plain
    assert len(model.image_tokens.seen) <= 2  # those of one batch


def test_a_merged_model_remembers_nothing(tiny: VLM, asked: tuple) -> None:
    model = replace(tiny, image_tokens=ImageTokenCache())
    model.answer(*asked, max_new=2)
    opened = model.merged()
    assert opened.image_tokens is None and type(opened) is VLM
    with torch.no_grad():
        next(opened.tower.parameters()).zero_()
    assert model.answer(*asked, max_new=2) == tiny.answer(*asked, max_new=2)
