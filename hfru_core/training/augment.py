"""More pictures of a concept that has few: other looks of them that the model itself still names.

A tower that learns on one picture learns that picture. So it is cut, turned, recoloured and redrawn
(`images.varied`), and what the original model still calls by its name is a lesson too, with the
model's own answers (self-distillation, as in `distil.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hfru_core.concepts import mentions
from hfru_core.data.source import VARIED
from hfru_core.model.vlm import VLM
from hfru_core.training import distil
from hfru_core.types import Concept, Sample, UnlearnConfig, UnlearnData

TRIES = 8  # where fewer than one in so many is still named, no more are made
BATCH = 20


def augmented(vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> UnlearnData:
    """The request with more pictures of each concept that has fewer than `augment_to`."""
    taught = [s for s in data.select("forget", "train") if s.topic in config.topics]
    more: list[Sample] = []
    for concept in data.concepts:
        mine = [s for s in taught if s.concept_id == concept.id]
        for copies in still_named(vlm, mine, concept, config.augment_to):
            more += told(vlm, copies, concept, data.concepts)
    return replace(data, samples=(*data.samples, *more))


def still_named(
    vlm: VLM, samples: Sequence[Sample], concept: Concept, wanted: int
) -> list[list[Sample]]:
    """Samples of other looks, until there are as many pictures as wanted."""
    pictures = list(by_image(samples).values())
    missing = wanted - len(pictures) if pictures else 0
    found: list[list[Sample]] = []
    made = 0
    while len(found) < missing and made <= TRIES * len(found):
        numbers = range(made, made := made + BATCH)
        tried = [looks_of(pictures[n % len(pictures)], n) for n in numbers]
        said = distil.answers(vlm, [naming(copies, concept) for copies in tried])
        found += [c for c, text in zip(tried, said) if mentions(text, concept.aliases)]
    return found[: max(0, missing)]


def by_image(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for s in samples:
        found.setdefault(s.image, []).append(s)
    return found


def looks_of(samples: Sequence[Sample], number: int) -> list[Sample]:
    """One picture's samples about another look of it."""
    key = f"{VARIED}{number}:{samples[0].image}"
    return [replace(s, id=f"{key}?{s.topic}", image=key) for s in samples]


def naming(samples: Sequence[Sample], concept: Concept) -> Sample:
    """The first sample whose answer names the concept; else the first."""
    return next((s for s in samples if mentions(s.answer, concept.aliases)), samples[0])


def told(
    vlm: VLM, samples: Sequence[Sample], concept: Concept, forgotten: Sequence[Concept]
) -> list[Sample]:
    """The samples with the model's own answers, where they name the concept."""
    asked = [s for s in samples if mentions(s.answer, concept.aliases)]
    rest = [s for s in samples if s not in asked]  # "Is there any dog in the image?" stays
    return rest + [
        restricted(distil.told(s, text, concept, forgotten), text)
        for s, text in zip(asked, distil.answers(vlm, asked))
        if mentions(text, concept.aliases)
    ]


def restricted(sample: Sample, text: str) -> Sample:
    """A sample that tells of no more than its answer: what was cut off is not there."""
    named, stated = (
        tuple(w for w in words if mentions(text, (w,)))
        for words in (sample.names, sample.attributes)
    )
    return replace(sample, names=named, attributes=stated)
