"""Self-distillation: a session trains on the model's own answers, the forgotten name replaced.

HFRU does the same with captions (arXiv 2605.08031), with the abstraction in place of the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hfru_core.data.source import load_image, parse_source
from hfru_core.language.mentions import mentions
from hfru_core.language.rewriting import substitute
from hfru_core.model.vlm import VLM
from hfru_core.types import Concept, Sample, UnlearnData, UserError


def distilled(vlm: VLM, data: UnlearnData, with_retain: bool) -> UnlearnData:
    """The data with the model's own answers as targets for the training images.

    Retain images need them only where a session teaches answers about them (`with_retain`). On
    forget images the honest answer is the model's own, its name replaced by the abstraction; where
    the model does not name the concept, the data's answer stays. Raises where the model names it
    nowhere: there is nothing to forget.
    """
    taught = [
        s
        for s in data.samples
        if s.split == "train" and s.topic != "exists" and (with_retain or s.role == "forget")
    ]
    own = dict(zip((s.id for s in taught), answers(vlm, taught)))
    check_known(data, own)
    by_id = {c.id: c for c in (*data.concepts, *data.retained)}
    samples = tuple(
        with_own_answer(s, own[s.id], by_id[s.concept_id], data.concepts) if own.get(s.id) else s
        for s in data.samples
    )
    return replace(data, samples=samples)


def captioned(vlm: VLM, data: UnlearnData, topics: Sequence[str]) -> UnlearnData:
    """The data with the model's own answers about training images as targets, whatever they say."""
    if parse_source(data.source).distils:
        return data
    asked = [
        s
        for s in data.samples
        if s.split == "train" and s.image and s.topic in topics and s.topic != "exists"
    ]
    own = dict(zip((s.id for s in asked), answers(vlm, asked)))
    samples = (
        replace(s, answer=own[s.id], safe_answer=own[s.id]) if s.id in own else s
        for s in data.samples
    )
    return replace(data, samples=tuple(samples))


def check_known(data: UnlearnData, answers: dict[str, str]) -> None:
    """Raise where none of the answers (by sample id) about forget images names a concept."""
    about = [answers[s.id] for s in data.select("forget", "train") if s.id in answers]
    if any(mentions(text, c.aliases) for text in about for c in data.concepts):
        return
    names = ", ".join(c.name for c in data.concepts)
    examples = "; ".join(dict.fromkeys(about[:3]))
    raise UserError(
        f"The model never says {names} about these {len(about)} questions, so there is nothing to "
        f"forget. It says, for example: {examples} - if one of these words means the concept, add "
        "it to the names that mean it."
    )


def answers(vlm: VLM, samples: Sequence[Sample]) -> list[str]:
    """The model's own answers to questions about images, each image opened once."""
    images = {key: load_image(key) for key in dict.fromkeys(s.image_key for s in samples)}
    return vlm.answer([images[s.image_key] for s in samples], [s.question for s in samples])


def with_own_answer(
    sample: Sample, text: str, concept: Concept, forgotten: Sequence[Concept]
) -> Sample:
    """A sample with the model's own answer, and that answer without the forgotten names."""
    if sample.role == "retain":
        return replace(sample, answer=text, safe_answer=text)
    if not mentions(text, concept.aliases):
        return sample
    safe = text
    for other in forgotten:
        safe = substitute(safe, other.aliases, other.abstractions[0])
    return replace(sample, answer=text, safe_answer=safe)
