"""Questions and every model's answers; a question that several audits share is asked once.

Questions about the same image share a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from audit.base import Case
from hfru_core.data.source import load_image
from hfru_core.model.image_token_cache import ImageTokenCache
from hfru_core.model.vlm import BATCH, VLM
from hfru_core.types import Role, Sample, UnlearnData

LONGEST = 96  # tokens: answers are read to the end, where a name may be kept for last


class Answers(NamedTuple):
    """Questions, and every model's answers in the same order."""

    data: UnlearnData
    asked: Sequence[Sample]
    said: dict[str, list[str]]


def ask(case: Case, asked: Sequence[Sample], only: str | None = None) -> Answers:
    """Every model's (or only one's) greedy answers; each asked once."""
    what = ("said", *((s.image, s.question) for s in asked))
    names = (only,) if only else case.models
    said = {n: case.once_for(n, what, partial(texts, case, asked, n)) for n in names}
    return Answers(case.data, asked, said)


def texts(case: Case, asked: Sequence[Sample], name: str, vlm: VLM) -> list[str]:
    """One model's answers; questions about the same image share a batch."""
    order = sorted(range(len(asked)), key=lambda i: asked[i].image or "")
    model, said = remembering(case, name, vlm), [""] * len(asked)
    for start in range(0, len(order), 2 * BATCH):
        part = order[start : start + 2 * BATCH]
        opened = {k: load_image(k) for k in dict.fromkeys(asked[i].image for i in part) if k}
        images = [opened[k] if k else None for k in (asked[i].image for i in part)]
        for i, text in zip(part, model.answer(images, [asked[i].question for i in part], LONGEST)):
            said[i] = text
    return said


def remembering(case: Case, name: str, vlm: VLM) -> VLM:
    """The model with a cache of image tokens, so that it encodes each image once in a case.

    A subclass with its own way to answer is left alone: its weights may change between questions.
    """
    if type(vlm) is not VLM:
        return vlm
    return replace(vlm, image_tokens=case.once(("image tokens", name), ImageTokenCache))


def protocol(case: Case, asked: Sequence[Sample]) -> Answers:
    """Every model's answers to some of the case's own eval questions, asked once for all audits.

    A role's questions of a topic are asked together, so no answer depends on who needs it first.
    """
    said: dict[str, dict[Sample, str]] = {name: {} for name in case.models}
    for kind in dict.fromkeys((s.role, s.topic) for s in asked):
        found = case.once(("protocol", *kind), partial(whole, case, *kind))
        for name, texts in found.said.items():
            said[name] |= zip(found.asked, texts)
    return Answers(case.data, asked, {n: [texts[s] for s in asked] for n, texts in said.items()})


def whole(case: Case, role: Role, topic: str) -> Answers:
    """All eval questions of a role and topic."""
    return ask(case, [s for s in case.data.select(role, "eval") if s.topic == topic])


def image_key(sample: Sample) -> str:
    """The key of a question's image; raises where it has none."""
    if sample.image is None:
        raise ValueError(f"'{sample.question}' is asked without an image")
    return sample.image


def together(a: Answers, b: Answers) -> Answers:
    """The questions of both."""
    said = {name: texts + b.said[name] for name, texts in a.said.items()}
    return Answers(a.data, [*a.asked, *b.asked], said)


def where(answers: Answers, wanted: Callable[[Sample], bool]) -> Answers:
    """The answers to some of the questions."""
    here = [i for i, s in enumerate(answers.asked) if wanted(s)]
    said = {name: [texts[i] for i in here] for name, texts in answers.said.items()}
    return Answers(answers.data, [answers.asked[i] for i in here], said)


def about(name: str) -> Callable[[Sample], bool]:
    """Whether a question is about an image of this concept."""
    return lambda sample: sample.concept_id == name
