"""The models of this process: loaded once and shared, or a copy to train.

Shared models are only read; whoever trains loads a copy. See `torch_side` for late imports.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from hfru_core.studio.sessions.adapters import content
from hfru_core.types import UserError

if TYPE_CHECKING:
    from hfru_core.model.vlm import VLM

SCALING = threading.Lock()  # of a shared model's adapter


def shared(size: int) -> Callable[[Callable[..., VLM]], Callable[..., VLM]]:
    """Like `lru_cache`, but who comes while a model is being loaded waits for that one.

    An adapter is known by what its files hold: another one may come to have the same name.
    """

    def decorate(load: Callable[..., VLM]) -> Callable[..., VLM]:
        lock, cached = threading.RLock(), lru_cache(maxsize=size)(lambda paths, _: load(*paths))

        @wraps(load)
        def model(*paths: Path) -> VLM:
            with lock:
                return cached(paths, tuple(content(p) for p in paths[1:]))

        return model

    return decorate


def fresh_model(model: Path, out: Path | None = None) -> VLM:
    """A model of one's own, to train or to put an adapter on; for an unfinished session in `out`
    in the format of numbers that it began with."""
    from hfru_core.studio.sessions.torch_side import session, vlm

    return vlm.load(model, dtype=session.dtype_begun(out) if out else None)


def adapted_model(model: Path, adapter: Path) -> VLM:
    """A model of one's own with an adapter on, since PEFT changes modules in place."""
    from hfru_core.studio.sessions.torch_side import folder

    return folder.load(fresh_model(model), adapter)


@shared(2)
def base_model(model: Path) -> VLM:
    """The original model: shared, never changed."""
    return fresh_model(model)


@shared(6)
def unlearned_model(model: Path, adapter: Path) -> VLM:
    """The model with an adapter on: shared, never changed."""
    return adapted_model(model, adapter)


@shared(2)
def scalable_model(model: Path, adapter: Path) -> VLM:
    """The model with an adapter on, whose strength may be changed while `SCALING` is held."""
    return adapted_model(model, adapter)


def check_question(vlm: VLM, question: str) -> None:
    """Raise where a question holds what the model reads as a mark, not as text."""
    for mark in vlm.marks:
        if mark in question:
            raise UserError(
                f"The question holds '{mark}', which the model takes for a mark of its own: leave "
                "it out."
            )


def two_answers(
    model: Path, image: Image.Image, question: str, adapter: Path | None
) -> tuple[str, str | None]:
    """What both models answer; None where there is no adapter."""
    base = base_model(model)
    check_question(base, question)
    original = base.answer([image], [question])[0]
    if adapter is None:
        return original, None
    return original, unlearned_model(model, adapter).answer([image], [question])[0]


def answer_at(
    model: Path, image: Image.Image, question: str, adapter: Path, strength: float
) -> str:
    """What the model answers with the adapter at another strength."""
    from hfru_core.studio.sessions.torch_side import folder

    scaled = scalable_model(model, adapter)
    with SCALING, folder.at_strength(scaled, strength):
        return scaled.answer([image], [question])[0]
