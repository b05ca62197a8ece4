"""Variants of a request: text-only lessons, anonymised pictures, one picture, loaded questions."""

from __future__ import annotations

from dataclasses import replace

from hfru_core.data import benchmarks
from hfru_core.data import drawn as world
from hfru_core.data.build import BLURRED
from hfru_core.protocol.questions import text_turns
from hfru_core.types import Sample, UnlearnData

POLITE = " Please tell."
UNCLEAR = 160  # drawn pictures of each kind


def text_samples(data: UnlearnData) -> tuple[Sample, ...]:
    """Text-only questions to train on; what words mean in the drawn world, never evaluated on."""
    if benchmarks.is_one(data.source):
        return benchmarks.text_lessons(data.source, (*data.concepts, *data.retained))
    if not data.source.startswith("world"):
        return ()
    return tuple(
        Sample(
            id=f"text?{t.question}",
            image=None,
            question=t.question,
            topic="text",
            answer=t.answer,
            safe_answer=t.answer,
            concept_id=t.about,
            role="retain",
            split="train",
        )
        for t in text_turns()
        if t.topic == "word"
    )


def anonymised(data: UnlearnData) -> UnlearnData:
    """Forget pictures to train on are blurred, names in their answers replaced."""
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
    """One picture of each concept to train on (arXiv 2405.12523)."""
    first: dict[str, str] = {}
    for s in data.select("forget", "train"):
        first.setdefault(s.concept_id, s.image)
    kept = set(first.values())
    rows = [s for s in data.samples if not trained_on(s) or s.image in kept]
    return replace(data, samples=tuple(rows))


def unclear(data: UnlearnData) -> tuple[tuple[str, ...], ...]:
    """Pictures that could show anything of a kind, for each kind that is to be forgotten.

    Drawn ones where the source is drawn; else the forget pictures, blurred.
    """
    kinds = {c.abstractions[0]: c.kind for c in data.concepts}
    if data.source.startswith("world"):
        seed = world.world_seed(data.source)
        return tuple(
            tuple(world.unclear_keys(seed, "match", word, kind, UNCLEAR))
            for word, kind in kinds.items()
        )
    word_of = {c.id: c.abstractions[0] for c in data.concepts}
    keys: dict[str, dict[str, None]] = {word: {} for word in kinds}
    for s in data.select("forget", "train"):
        keys[word_of[s.concept_id]][f"{BLURRED}{s.image}"] = None
    return tuple(map(tuple, keys.values()))


def changed(data: UnlearnData, change) -> UnlearnData:
    """The same request with its forget training samples changed."""
    rows = [change(s) if trained_on(s) else s for s in data.samples]
    return replace(data, samples=tuple(rows))


def trained_on(s: Sample) -> bool:
    return s.role == "forget" and s.split == "train"
