"""The values that travel through the project: frozen, of strings, numbers, tuples and paths."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

Role = Literal["forget", "retain"]
Split = Literal["train", "eval"]
SCOPES = ("encoder", "encoder+projector", "decoder", "all")


class UserError(ValueError):
    """A mistake the person can mend: what, expected and got, likely cause, way out."""


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
    """One labelled picture; a degraded one shows too little to tell more than its kind."""

    key: str
    name: str
    kind: str
    style: str | None
    data: bytes = field(repr=False)
    held_out: bool = False
    degraded: bool = False
    identity: bool = False


@dataclass(frozen=True)
class Sample:
    """One question about one picture.

    `image` is a key that `load_image` opens, or None for a text-only question. `answer` is
    the right answer ("" where only the model itself can give one), `safe_answer` what an honest
    model says that does not recognise the concept. `names` are the specific things that are truly
    in the picture; `attributes` stay true when the concept is forgotten (colour, place, ...).
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


@dataclass(frozen=True)
class UnlearnData:
    """The pictures and questions of one request; forget and retain, train and eval are disjoint."""

    concepts: tuple[Concept, ...]
    retained: tuple[Concept, ...]
    samples: tuple[Sample, ...]
    source: str
    fingerprint: str

    def select(self, role: Role, split: Split) -> tuple[Sample, ...]:
        """The samples of one role and split, in order."""
        return tuple(s for s in self.samples if s.role == role and s.split == split)


@dataclass(frozen=True)
class UnlearnConfig:
    """Every setting of a session; impossible values raise and name the way out.

    Learning rates are AdamW's. `grpo_prompts` is B and `group` is G of the GRPO step.
    Methods of one stage take the first one's settings, and `settings` are their own constants.
    `match`, `suppress` and `margin` (nats) belong to the preset `deep` (`methods/hfru_deep.py`).
    `augment_to` is the number of pictures that a concept with fewer is given
    (`training/augment.py`).
    `checkpointing` computes the tower's layers twice to save memory.
    """

    preset: str = "default"
    method: str = "hfru"
    seed: int = 0
    topics: tuple[str, ...] = ("describe", "caption", "name", "exists")
    stage1_target: Literal["sibling", "abstraction"] = "abstraction"
    stage1_steps: int = 80
    stage1_batch: int = 24
    stage1_retain: int = 32
    stage1_lr: float = 5e-3
    feature_hold: float = 1.0
    augment_to: int = 0
    grpo_steps: int = 20
    grpo_prompts: int = 16
    group: int = 8
    grpo_lr: float = 8e-4
    forget_share: float = 0.5
    near_share: float = 0.5
    temperature: float = 1.0
    clip: float = 0.2
    dual_clip: float = 3.0
    kl: float = 0.01
    reference: Literal["stage1", "original"] = "original"
    mention_cost: float = 0.3
    abstraction_bonus: float = 0.5
    sibling_cost: float = 0.0
    attribute_bonus: float = 0.0
    match: float = 0.0
    suppress: float = 0.0
    margin: float = 12.0
    lr_decay: bool = True
    select_best: bool = True
    lora_rank: int = 16
    scope: Literal["encoder", "encoder+projector", "decoder", "all"] = "encoder"
    max_new_tokens: int = 24
    check_every: int = 25
    checkpoint_every: int = 5
    checkpointing: bool = False
    device: str = "auto"
    settings: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        counts = (
            "stage1_batch",
            "grpo_prompts",
            "lora_rank",
            "max_new_tokens",
            "check_every",
            "checkpoint_every",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.group < 2:
            raise UserError(
                f"group must be at least 2, got {self.group}: GRPO compares answers to one "
                "prompt with each other. Use 4 to 8."
            )
        if self.stage1_steps < 0 or self.grpo_steps < 0:
            raise UserError("Steps cannot be negative: use 0 to leave a stage out.")
        if self.stage1_steps + self.grpo_steps == 0:
            raise UserError("Both stages have 0 steps: nothing would be unlearned. Use --steps 40.")
        if not 0 < self.forget_share < 1:
            raise UserError(f"forget_share must lie between 0 and 1, got {self.forget_share}.")
        if self.scope not in SCOPES:
            raise UserError(f"scope is one of {', '.join(SCOPES)}, got '{self.scope}'.")

    @property
    def steps(self) -> int:
        """Both stages together."""
        return self.stage1_steps + self.grpo_steps

    def with_(self, **changes: object) -> UnlearnConfig:
        """A copy with some fields changed."""
        return replace(self, **changes)


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


@dataclass(frozen=True)
class ProbeAnswer:
    """One picture of the fixed probe set with the answers before and now."""

    image: str
    question: str
    before: str
    now: str
    role: Role


@dataclass(frozen=True)
class StepEvent:
    """What a session tells after a step; plain values only."""

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
