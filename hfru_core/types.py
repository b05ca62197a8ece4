"""The values that travel through the project: frozen, of strings, numbers, tuples and paths."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Role = Literal["forget", "retain"]
Split = Literal["train", "eval"]
SCOPES = ("encoder", "encoder+projector", "decoder", "all")


class UserError(ValueError):
    """A mistake that the user can fix: what, expected and got, likely cause, way out."""


@dataclass(frozen=True)
class Concept:
    """What is to be forgotten, and the words that decide whether it was.

    `aliases` name it, `abstractions` are what a good answer says instead, and `siblings` are
    specific names that would be hallucinations.
    """

    id: str
    name: str
    kind: Literal["object", "identity"]
    aliases: tuple[str, ...]
    abstractions: tuple[str, ...]
    siblings: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Photo:
    """One labelled image; a degraded one shows too little to recognise more than its kind."""

    key: str
    name: str
    kind: str
    style: str | None
    held_out: bool = False
    degraded: bool = False
    identity: bool = False
    also: tuple[str, ...] = ()  # other names that its label gives


@dataclass(frozen=True)
class Sample:
    """One question about one image.

    `image` is a key that `load_image` opens, or None for a text-only question. `answer` is
    the right answer ("" where only the model itself can give one), `safe_answer` what an honest
    model says that does not recognise the concept. `names` are the specific things that are truly
    in the image; `attributes` stay true when the concept is forgotten (colour, place, ...).
    """

    id: str
    image: str | None
    question: str
    topic: str
    answer: str
    safe_answer: str
    concept_id: str
    role: Role
    split: Split
    names: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()

    @property
    def image_key(self) -> str:
        """`image` where there must be one; raises for a text-only question."""
        if self.image is None:
            raise ValueError(f"Sample '{self.id}' is a text-only question: it has no image.")
        return self.image


@dataclass(frozen=True)
class UnlearnData:
    """The images and questions of one request; forget and retain, train and eval are disjoint."""

    concepts: tuple[Concept, ...]
    retained: tuple[Concept, ...]
    samples: tuple[Sample, ...]
    source: str
    fingerprint: str

    def select(self, role: Role, split: Split) -> tuple[Sample, ...]:
        """The samples of one role and split, in order."""
        return tuple(s for s in self.samples if s.role == role and s.split == split)


@dataclass(frozen=True)
class Rate:
    """A share of `n` answers with its 95 % Wilson interval; all None where nothing was scored."""

    rate: float | None
    n: int
    low: float | None
    high: float | None


NOT_MEASURED = Rate(None, 0, None, None)


@dataclass(frozen=True)
class Evaluation:
    """How a model answers on the eval split (definitions: `evaluate.py`)."""

    forget: Rate
    retain: Rate
    hallucination: Rate
    abstraction: Rate
    attributes: Rate
    refusal: Rate
    degenerate: Rate
    facts: Rate
    profile: Rate = NOT_MEASURED
    retain_profile: Rate = NOT_MEASURED
    unjudged: Rate = NOT_MEASURED
    facts_rouge: Rate = NOT_MEASURED


@dataclass(frozen=True)
class ProbeAnswer:
    """One image of the fixed probe set with the answers before and now."""

    image: str
    question: str
    before: str
    now: str
    role: Role


@dataclass(frozen=True)
class StepEvent:
    """What a session reports after a step; plain values only."""

    step: int
    of: int
    stage: str
    loss: float
    seconds: float
    rewards: dict[str, float] = field(default_factory=dict)
    kl: float | None = None
    score: float | None = None
    probes: tuple[ProbeAnswer, ...] = ()
    adapter: Path | None = None
