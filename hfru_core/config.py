"""The settings of a session: what every method has, and what HFRU and its preset `deep` add.

Records (unlearning.json, checkpoints) hold all of them in one flat table, under keys that stay as
they were in the first version: `to_record` and `from_record` map between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from hfru_core.types import SCOPES, UserError

# Settings that records know by another name: in the first version, all methods trained by those of
# HFRU's first stage.
RECORD_KEYS = {
    "train_steps": "stage1_steps", "batch": "stage1_batch", "retain_batch": "stage1_retain",
    "lr": "stage1_lr",
}  # fmt: skip


@dataclass(frozen=True)
class HFRUSettings:
    """What HFRU adds (`methods/hfru.py`): stage 1's targets, stage 2's GRPO, and its reward.

    `feature_hold` weighs the drift of retain images' tokens, in units of their variance; where it
    is 0, stage 1 teaches answers about retain images instead. `augment_to` is the number of images
    that a concept with fewer is given (`training/augment.py`). `grpo_prompts` is B and `group` is G
    of a GRPO step; `tries` times B prompts are drawn, and those whose answers' rewards differ come
    first. `forget_share` is the share of forget prompts in B, and in stage 1 of its lessons where
    retain images are taught. With `sentences` the reward judges what answers say, and not which
    words they hold (`training/rewards.py`).
    """

    stage1_target: Literal["sibling", "abstraction"] = "abstraction"
    feature_hold: float = 1.0
    augment_to: int = 0
    grpo_steps: int = 20
    grpo_prompts: int = 16
    tries: int = 1
    group: int = 8
    grpo_lr: float = 8e-4
    forget_share: float = 0.5
    temperature: float = 1.0
    kl: float = 0.01
    reference: Literal["stage1", "original"] = "original"
    mention_cost: float = 0.3
    abstraction_bonus: float = 0.5
    sibling_cost: float = 0.0
    attribute_bonus: float = 0.0
    sentences: bool = False

    def __post_init__(self) -> None:
        check_counts(self, "grpo_prompts", "tries")
        check_steps(self.grpo_steps)
        if self.group < 2:
            raise UserError(
                f"group must be at least 2, got {self.group}: GRPO compares answers to one "
                "prompt with each other. Use 4 to 8."
            )
        if not 0 < self.forget_share < 1:
            raise UserError(f"forget_share must lie between 0 and 1, got {self.forget_share}.")


@dataclass(frozen=True)
class DeepSettings:
    """What the preset `deep` adds (`methods/hfru_deep.py`): two weights, and a margin in nats."""

    match: float = 0.0
    suppress: float = 0.0
    margin: float = 12.0


@dataclass(frozen=True)
class UnlearnConfig:
    """Every setting of a session; impossible values raise and name the way out.

    A training step takes `batch` forget and `retain_batch` retain examples, of those a share
    `near_share` from the concepts' siblings. Learning rates are AdamW's. `settings` are a method's
    own constants. `full` trains all weights of the adapted layers instead of LoRA of
    rank `lora_rank`. `checkpointing` computes the tower's layers twice to save memory. `hfru` and
    `deep` have no effect on other methods.
    """

    preset: str = "default"
    method: str = "hfru"
    seed: int = 0
    topics: tuple[str, ...] = ("describe", "caption", "name", "exists")
    train_steps: int = 80
    batch: int = 24
    retain_batch: int = 32
    lr: float = 5e-3
    near_share: float = 0.5
    lr_decay: bool = True
    select_best: bool = True
    lora_rank: int = 16
    full: bool = False
    scope: Literal["encoder", "encoder+projector", "decoder", "all"] = "encoder"
    max_new_tokens: int = 24
    check_every: int = 25
    checkpoint_every: int = 5
    checkpointing: bool = False
    device: str = "auto"
    settings: tuple[tuple[str, float], ...] = ()
    hfru: HFRUSettings = field(default_factory=HFRUSettings)
    deep: DeepSettings = field(default_factory=DeepSettings)

    def __post_init__(self) -> None:
        check_counts(
            self, "batch", "lora_rank", "max_new_tokens", "check_every", "checkpoint_every"
        )
        check_steps(self.train_steps)
        if self.steps == 0:
            raise UserError("Both stages have 0 steps: nothing would be unlearned. Use --steps 40.")
        if self.scope not in SCOPES:
            raise UserError(f"scope is one of {', '.join(SCOPES)}, got '{self.scope}'.")

    @property
    def steps(self) -> int:
        """All steps of a session: those of training, and of GRPO where the method has it."""
        return self.train_steps + self.hfru.grpo_steps

    def with_(self, **changes: Any) -> UnlearnConfig:
        """A copy with some settings changed, whichever part has them."""
        hfru, deep = (
            {f.name: changes.pop(f.name) for f in fields(part) if f.name in changes}
            for part in (HFRUSettings, DeepSettings)
        )
        parts = {"hfru": replace(self.hfru, **hfru), "deep": replace(self.deep, **deep)}
        return replace(self, **{**parts, **changes})

    def to_record(self) -> dict[str, Any]:
        """All settings as a record holds them: one flat table."""
        flat = {**vars(self), **vars(self.hfru), **vars(self.deep)}
        return {RECORD_KEYS.get(k, k): v for k, v in flat.items() if k not in ("hfru", "deep")}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> UnlearnConfig:
        """The settings that a record holds, defaults where it is older than a setting.

        Other keys are left out: early records name a `clip` and a `dual_clip`, which had no effect,
        since each rollout is used for one update.
        """
        names = {key: name for name, key in RECORD_KEYS.items()}
        known = cls().to_record()
        return cls().with_(**{names.get(k, k): plain(v) for k, v in record.items() if k in known})


def plain(value: Any) -> Any:
    """A value from JSON with tuples in place of lists."""
    return tuple(map(plain, value)) if isinstance(value, list) else value


def check_counts(settings: object, *names: str) -> None:
    """Raise where one of these settings is less than 1."""
    for name in names:
        if getattr(settings, name) < 1:
            raise UserError(f"{name} must be at least 1, got {getattr(settings, name)}.")


def check_steps(steps: int) -> None:
    if steps < 0:
        raise UserError("Steps cannot be negative: use 0 to leave a stage out.")
