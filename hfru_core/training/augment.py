"""Data augmentation for a concept with few images: variants that the model itself still names.

A tower that trains on one image learns that image. So it is cropped, rotated, recoloured and
redrawn (`images.varied`), and a variant that the original model still names becomes a training
example, with the model's own answers (self-distillation, as in `distil.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hfru_core.config import UnlearnConfig
from hfru_core.data.source import VARIED
from hfru_core.language.mentions import mentions
from hfru_core.model.vlm import VLM
from hfru_core.training import distil
from hfru_core.types import Concept, Sample, UnlearnData

TRIES = 8  # where fewer than one variant in so many is still named, no more are made
BATCH = 20


def augmented(vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> UnlearnData:
    """The request with more images of each concept that has fewer than `augment_to`."""
    taught = [s for s in data.select("forget", "train") if s.topic in config.topics]
    more: list[Sample] = []
    for concept in data.concepts:
        samples = [s for s in taught if s.concept_id == concept.id]
        for variant in still_named(vlm, samples, concept, config.hfru.augment_to):
            more += with_own_answers(vlm, variant, concept, data.concepts)
    return replace(data, samples=(*data.samples, *more))


def still_named(
    vlm: VLM, samples: Sequence[Sample], concept: Concept, wanted: int
) -> list[list[Sample]]:
    """The samples of further variants, until there are as many images as wanted."""
    images = list(by_image(samples).values())
    missing = wanted - len(images) if images else 0
    named: list[list[Sample]] = []
    made = 0
    while len(named) < missing and made <= TRIES * len(named):
        numbers = range(made, made := made + BATCH)
        tried = [variant_of(images[n % len(images)], n) for n in numbers]
        answers = distil.answers(vlm, [naming(variant, concept) for variant in tried])
        named += [v for v, text in zip(tried, answers) if mentions(text, concept.aliases)]
    return named[: max(0, missing)]


def by_image(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = {}
    for s in samples:
        groups.setdefault(s.image_key, []).append(s)
    return groups


def variant_of(samples: Sequence[Sample], number: int) -> list[Sample]:
    """One image's samples about a variant of it."""
    key = f"{VARIED}{number}:{samples[0].image}"
    return [replace(s, id=f"{key}?{s.topic}", image=key) for s in samples]


def naming(samples: Sequence[Sample], concept: Concept) -> Sample:
    """The first sample whose answer names the concept; else the first."""
    return next((s for s in samples if mentions(s.answer, concept.aliases)), samples[0])


def with_own_answers(
    vlm: VLM, samples: Sequence[Sample], concept: Concept, forgotten: Sequence[Concept]
) -> list[Sample]:
    """The samples with the model's own answers, where they name the concept."""
    naming_it = [s for s in samples if mentions(s.answer, concept.aliases)]
    rest = [s for s in samples if s not in naming_it]  # "Is there any dog in the image?" stays
    return rest + [
        restricted(distil.with_own_answer(s, text, concept, forgotten), text)
        for s, text in zip(naming_it, distil.answers(vlm, naming_it))
        if mentions(text, concept.aliases)
    ]


def restricted(sample: Sample, text: str) -> Sample:
    """A sample without the names and attributes that its answer lacks: they may be cropped off."""
    named, stated = (
        tuple(w for w in words if mentions(text, (w,)))
        for words in (sample.names, sample.attributes)
    )
    return replace(sample, names=named, attributes=stated)
