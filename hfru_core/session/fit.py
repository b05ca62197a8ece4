"""What a session costs on this device, and batches with which a large decoder ends in minutes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hfru_core.config import UnlearnConfig
from hfru_core.methods.base import TrainedMethod
from hfru_core.model.precision import is_large
from hfru_core.model.vlm import VLM

BUDGET = 9 * 60  # seconds for the steps of a session
SIZES = ("stage1_batch", "stage1_retain", "grpo_prompts")  # as records call them
RATES = ("stage1_lr", "grpo_lr")  # fall with the root of the batch: its gradients are noisier
SHARES = (1, 3 / 4, 1 / 2, 3 / 8, 1 / 4)  # of the batches; few, so that a retry finds the same
SMALLEST = 4  # examples of a batch: below, a step is mostly noise
TRIED = 4  # examples in the batches of a step that is measured
FITTED = ("default", "deep")  # presets of ours; others are what their papers say


@dataclass(frozen=True)
class Cost:
    """Seconds of a training step by its examples, of a GRPO step by its prompts, and of a check."""

    example: float
    prompt: float
    check: float

    def steps(self, config: UnlearnConfig) -> tuple[float, float]:
        """Seconds of a step of each stage."""
        return self.example * config.batch, self.prompt * config.hfru.grpo_prompts

    def left(self, config: UnlearnConfig, done: int = 0, checks: bool = True) -> float:
        """Seconds that are left after so many steps, with the checks among them or without."""
        train, grpo = self.steps(config)
        first = max(0, config.train_steps - done)
        second = config.steps - max(done, config.train_steps)
        due = config.steps // config.check_every - done // config.check_every
        return first * train + second * grpo + checks * due * self.check


def is_worth_measuring(vlm: VLM) -> bool:
    """Small decoders take half a second a step, and GPUs less; several processes would measure
    different costs, and choose different batches."""
    return vlm.device.type == "cpu" and is_large(vlm.core.config) and vlm.processes.size == 1


def measured(
    make: Callable[[UnlearnConfig], TrainedMethod], config: UnlearnConfig, check: float
) -> Cost:
    """The cost of a session, from one small step of each stage; no weight moves."""
    method = make(taken_from(config, {**config.to_record(), **dict.fromkeys(SIZES, TRIED)}))
    method.prepare()
    seconds = []
    for number in {0, config.train_steps} if config.hfru.grpo_steps else {0}:
        method.begin(number)
        began = time.perf_counter()
        method.backward(number, random.Random(number))
        seconds.append(time.perf_counter() - began)
    for weight in method.vlm.trainable().values():
        weight.grad = None
    return Cost(seconds[0] / TRIED, seconds[-1] / TRIED, check)


def fitted(config: UnlearnConfig, cost: Cost) -> UnlearnConfig:
    """Presets of ours with the largest batches whose steps fit in the budget."""
    if config.method != "hfru" or config.preset not in FITTED:
        return config
    smallest, full = min(config.batch, config.hfru.grpo_prompts), config.to_record()
    possible = [
        taken_from(config, smaller(full, share))
        for share in SHARES
        if share == 1 or smallest * share >= SMALLEST
    ]
    fits = (c for c in possible if cost.left(c, checks=False) <= BUDGET)
    return next(fits, possible[-1])


def smaller(record: Mapping[str, Any], share: float) -> dict[str, Any]:
    """A share of the batch sizes of a record, and learning rates that fit them."""
    sizes = {k: max(1, round(record[k] * share)) for k in SIZES}
    return sizes | {k: record[k] * share**0.5 for k in RATES}


def taken_from(config: UnlearnConfig, record: Mapping[str, Any]) -> UnlearnConfig:
    """Settings with the batch sizes and learning rates of a record."""
    fitted = {k: record[k] for k in (*SIZES, *RATES)}
    return UnlearnConfig.from_record({**config.to_record(), **fitted})


def told(cost: Cost, asked: UnlearnConfig, config: UnlearnConfig, done: int = 0) -> str:
    """What a session will take, for people."""
    train, grpo = cost.steps(config)
    text = f"About {minutes(cost.left(config, done))} on this processor: "
    text += f"{config.train_steps} steps of {train:.1f} s"
    if config.hfru.grpo_steps:
        text += f", {config.hfru.grpo_steps} of {grpo:.1f} s"
    text += f", checks of {cost.check:.0f} s; then the evaluation."
    if config != asked:
        text += (
            f" Batches are smaller ({config.batch} examples instead of {asked.batch}, "
            f"{config.hfru.grpo_prompts} prompts instead of {asked.hfru.grpo_prompts}), so that "
            f"the steps take some {minutes(BUDGET)}."
        )
    return text


def minutes(seconds: float) -> str:
    """'3 minutes', '1 minute', '40 seconds'."""
    number, unit = (seconds / 60, "minute") if seconds >= 59.5 else (seconds, "second")
    return f"{number:.0f} {unit}{'' if round(number) == 1 else 's'}"
