"""Both answers to a question about a picture, by the model that was made for such pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hfru_core.data import drawn
from hfru_core.data.images import open_image
from hfru_core.paths import MODEL
from hfru_core.studio.sessions import taught
from hfru_core.studio.sessions.adapters import concepts_of
from hfru_core.studio.sessions.drawn_or_not import is_drawn_world
from hfru_core.studio.sessions.far_or_not import is_far
from hfru_core.studio.sessions.models import base_model, two_answers
from hfru_core.studio.sessions.studio import Studio

LOOKED_AT = 12  # pictures of a concept: they are mostly of one kind
UNSEEN = (
    "The model knows drawn pictures alone, and this does not look like one of them: it is not "
    "asked, since its answer would mean nothing."
)
FAR = (
    "This looks like nothing that the model was taught (photographs, paintings, cartoons and "
    "sketches of things): the answer may be a guess, and is not judged."
)
NO_PICTURES = (
    "This adapter was made from photographs, and none come with the app: ask about a picture of "
    "your own in Compare."
)
MISFIT = (
    "This adapter was made for another model than the one that answers about such pictures. Choose "
    "one that fits, or make one in the Unlearn tab."
)


@dataclass(frozen=True)
class Answers:
    """What the original and the unlearned model said; None is not asked.

    `remark` says why nothing is judged, `misfit` why the adapter has no answer.
    """

    original: str | None
    unlearned: str | None = None
    remark: str = ""
    misfit: str = ""


def model_for(studio: Studio, key: str, image: Image.Image) -> Path | None:
    """The model that knows such pictures: drawn ones go to the drawn world's, all others to
    `photo`; None where that is not there. A model that somebody brought gets all of them."""
    if drawn.is_drawn(key) or studio.model != MODEL:
        return studio.model
    return studio.model if is_drawn_world(base_model(studio.model), image) else studio.photo


def ask(
    studio: Studio, key: str, image: Image.Image, question: str, adapter: Path | None
) -> Answers:
    """The answers of both models, as far as they can know them."""
    model = model_for(studio, key, image)
    if model is None:
        return Answers(None, remark=UNSEEN)
    known = taught.of_model(model, studio.photographs)
    remark, asked = taught.remark(known, question) if known else ("", True)
    if not asked:
        return Answers(None, remark=remark)
    if not drawn.is_drawn(key) and is_far(model, image):
        remark = FAR
    fits = adapter is None or studio.base_of(adapter) == model
    original, unlearned = two_answers(model, image, question, adapter if fits else None)
    return Answers(original, unlearned, remark, "" if fits else MISFIT)


def fitting(studio: Studio, visitor: str, name: str | None, model: Path | None) -> str | None:
    """An adapter of this model: the chosen one, else one for the same concepts, else any; the
    chosen one where there is none."""
    choices = studio.choices(visitor)
    there = {n: concepts_of(p) for n, p in choices.items() if studio.base_of(p) == model}
    if not there or name in there:
        return name
    wanted = concepts_of(choices[name]) if name in choices else ()
    same = [n for n, concepts in there.items() if concepts and concepts == wanted]
    return next(iter(same or there))


def are_photographs(studio: Studio, files: Sequence[Path]) -> bool:
    """Whether most of the first pictures go to the model of photographs, where it is there."""
    if studio.photo is None:
        return False
    shown = (open_image(file.read_bytes()) for file in files[:LOOKED_AT])
    there = [model_for(studio, "", image) == studio.photo for image in shown]
    return 2 * sum(there) > len(there)
