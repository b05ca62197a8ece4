"""Wrong names as targets: one for each answer, drawn once, that the model's tokenizer can spell."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from hfru_core.language.mentions import mentions
from hfru_core.language.rewriting import substitute
from hfru_core.model.vlm import VLM
from hfru_core.types import Concept, Sample, UnlearnData, UserError


def with_wrong_names(vlm: VLM, data: UnlearnData, topics: Sequence[str], seed: int) -> UnlearnData:
    """The request with wrong answers as the safe ones of its forget lessons about the topics.

    They stay the same however often a lesson is visited. Raises where no name can be spelled.
    """
    samples = tuple(
        replace(s, safe_answer=wrong_answer(vlm, s, data, seed))
        if s.role == "forget" and s.split == "train" and s.topic in topics
        else s
        for s in data.samples
    )
    return replace(data, samples=samples)


def wrong_answer(vlm: VLM, sample: Sample, data: UnlearnData, seed: int) -> str:
    """The right answer with one sibling in the place of all forgotten concepts of a kind."""
    text, rng = sample.answer, random.Random(f"wrong name {seed} {sample.id}")
    if sample.topic == "exists":
        return "No."
    own = next((c for c in data.concepts if c.id == sample.concept_id), data.concepts[0])
    for kind in dict.fromkeys(c.kind for c in (own, *data.concepts)):
        alike = [c for c in (own, *data.concepts) if c.kind == kind]
        aliases = tuple(dict.fromkeys(a for c in alike for a in c.aliases))
        if mentions(text, aliases):
            text = renamed(vlm, text, aliases, drawn(alike[0], data, rng))
    return text


def drawn(concept: Concept, data: UnlearnData, rng: random.Random) -> list[str]:
    """A concept's siblings in random order, things that are retained last.

    The paper's animals are none of its classes; of people it takes whoever else is there.
    """
    forgotten = {a.lower() for c in data.concepts for a in c.aliases}
    names = [s for s in concept.siblings if s.lower() not in forgotten]
    if concept.kind == "identity":
        names = [s for s in names if " " in s] or names
    if not names:
        raise UserError(
            f"{concept.name} has no siblings that could be named instead. Give it some in its "
            "concept.json, or choose a method that teaches no wrong names."
        )
    retained = {a.lower() for c in data.retained if c.kind == "object" for a in c.aliases}
    return sorted(rng.sample(names, len(names)), key=lambda name: name.lower() in retained)


def renamed(vlm: VLM, text: str, aliases: tuple[str, ...], names: Sequence[str]) -> str:
    """The text with the first of the names that the tokenizer can spell there."""
    before = unspelled(vlm, text)
    for name in names:
        changed = substitute(text, aliases, name)
        if unspelled(vlm, changed) <= before:
            return changed
    raise UserError(
        f"The model's tokenizer can spell none of the names that would stand for {aliases[0]}: "
        f"{', '.join(names)}. Give the concept siblings that the model knows in its concept.json."
    )


def unspelled(vlm: VLM, text: str) -> int:
    """How many of a text's tokens stand for something that the vocabulary does not have."""
    unknown = vlm.tokenizer.unk_token_id
    ids = vlm.tokenizer.encode(text, add_special_tokens=False)
    return 0 if unknown is None else ids.count(unknown)
