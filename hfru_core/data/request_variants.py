"""Variants of a request: anonymised images, one image, loaded questions, text-only examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hfru_core.data.source import BLURRED, parse_source
from hfru_core.types import Sample, UnlearnData

POLITE = " Please tell."
UNCLEAR = 160  # drawn images of each kind


def text_samples(data: UnlearnData) -> tuple[Sample, ...]:
    """Text-only questions to train on, never evaluated on."""
    return parse_source(data.source).text_samples((*data.concepts, *data.retained))


def anonymised(data: UnlearnData) -> UnlearnData:
    """Forget images to train on are blurred, names in their answers replaced."""
    return changed(data, lambda s: replace(s, image=f"{BLURRED}{s.image}", answer=s.safe_answer))


def polite(data: UnlearnData) -> UnlearnData:
    """A request whose forget questions carry common words (arXiv 2506.00359: malicious request)."""
    return changed(data, lambda s: replace(s, question=s.question + POLITE))


def asked_politely(data: UnlearnData) -> UnlearnData:
    """The same common words on harmless questions, to see whether they are still answered."""
    rows = [
        replace(s, question=s.question + POLITE) if s.role == "retain" else s for s in data.samples
    ]
    return replace(data, samples=tuple(rows))


def single(data: UnlearnData) -> UnlearnData:
    """One image of each concept to train on (arXiv 2405.12523)."""
    first: dict[str, str | None] = {}
    for s in data.select("forget", "train"):
        first.setdefault(s.concept_id, s.image)
    kept = set(first.values())
    rows = [s for s in data.samples if not trained_on(s) or s.image in kept]
    return replace(data, samples=tuple(rows))


def unclear(data: UnlearnData) -> tuple[tuple[str, ...], ...]:
    """Keys of images that could show anything of a kind, for each kind that is to be forgotten.

    Drawn ones where the source is drawn; else the forget images, blurred.
    """
    source = parse_source(data.source)
    kinds = {c.abstractions[0]: c.kind for c in data.concepts}
    found = [source.unclear_keys("match", word, kind, UNCLEAR) for word, kind in kinds.items()]
    if any(found):
        return tuple(map(tuple, found))
    word_of = {c.id: c.abstractions[0] for c in data.concepts}
    keys: dict[str, dict[str, None]] = {word: {} for word in kinds}
    for s in data.select("forget", "train"):
        keys[word_of[s.concept_id]][f"{BLURRED}{s.image}"] = None
    return tuple(map(tuple, keys.values()))


def changed(data: UnlearnData, change: Callable[[Sample], Sample]) -> UnlearnData:
    """The same request with its forget training samples changed."""
    rows = [change(s) if trained_on(s) else s for s in data.samples]
    return replace(data, samples=tuple(rows))


def trained_on(s: Sample) -> bool:
    return s.role == "forget" and s.split == "train"
