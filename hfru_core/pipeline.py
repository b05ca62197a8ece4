"""The one path from a request to an adapter, for the command line, the app and the bench.

`plan` checks what was asked for, `prepare` builds its data and loads its model, `unlearn` makes
the session whose `run()` yields the steps, and `rates` compares what it made with the base model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hfru_core.concepts import parse
from hfru_core.config import UnlearnConfig
from hfru_core.data.build import build
from hfru_core.data.samples import ASKED_FIRST, USUAL, Amount
from hfru_core.data.source_base import Source
from hfru_core.evaluate import evaluate
from hfru_core.methods import configured
from hfru_core.model.early_maps import early_maps_kept
from hfru_core.model.image_token_cache import ImageTokenCache
from hfru_core.model.vlm import VLM
from hfru_core.session import UnlearnSession
from hfru_core.training.distil import distilled
from hfru_core.types import Concept, Evaluation, UnlearnData, UserError


@dataclass(frozen=True)
class Plan:
    """A request that was checked: what to forget and to retain, from where, and how."""

    source: Source
    forget: tuple[Concept, ...]
    retain: tuple[Concept, ...]
    config: UnlearnConfig


@dataclass(frozen=True)
class Prepared:
    """A model to unlearn, the data to train on, and the settings."""

    model: VLM
    data: UnlearnData
    config: UnlearnConfig


def plan(
    source: Source,
    forget: str,
    *,
    retain: str = "",
    earlier: tuple[Concept, ...] = (),
    method: str = "hfru",
    preset: str = "default",
    steps: int | None = None,
    **changes: Any,
) -> Plan:
    """Names of concepts, separated by commas, and settings -> a plan; raises where it cannot be.

    `earlier` are concepts that the model forgot before; `changes` are fields of the settings.
    """
    known = source.known_concepts()
    wanted = together(earlier, parse(forget, known))
    retained = parse(retain, known) if retain else ()
    config = split_steps(configured(method, preset, wanted, **changes), steps)
    return Plan(source, wanted, retained, config)


def fitted_to(model: VLM, source: Source, config: UnlearnConfig) -> UnlearnConfig:
    """Presets of ours teach what is retained, in photographs that a tower of convolutions sees.

    On `photo` 51 to 82 % of what was named beside dog and elephant was still named where features
    were held (weights of 1 to 8), 87 to 92 % with answers taught. On the drawn world's model, of a
    concept of one's own from eight pictures, 98 % held and 92 % taught (n 256 each).
    """
    ours = config.method == "hfru" and config.preset in ("default", "deep")
    if not (ours and source.photographs and model.family.maps):
        return config
    batch = 2 * config.batch if config.preset == "default" else config.batch
    return config.with_(feature_hold=0.0, batch=batch)


def together(earlier: tuple[Concept, ...], now: tuple[Concept, ...]) -> tuple[Concept, ...]:
    """All that shall be forgotten in the end: left alone, what went first would come back."""
    again = [c.name for c in now if c in earlier]
    if again:
        raise UserError(f"{', '.join(again)} was forgotten before: ask for something else.")
    return (*earlier, *now)


def split_steps(config: UnlearnConfig, steps: int | None) -> UnlearnConfig:
    """Settings with so many steps, shared between the stages as the preset does."""
    if steps is None:
        return config
    if steps < 1:
        raise UserError(f"--steps must be at least 1, got {steps}.")
    first = round(steps * config.train_steps / config.steps)
    return config.with_(train_steps=first, grpo_steps=steps - first)


def prepare(plan: Plan, load: Callable[[], VLM], amount: Amount | None = None) -> Prepared:
    """The data of a plan and a model of its own; distilled unless the source is drawn.

    Pictures that the model is to be asked about first are fewer (default of `amount`).
    """
    amount = amount or (ASKED_FIRST if plan.source.distils else USUAL)
    data = build(plan.forget, plan.source, retain=plan.retain, amount=amount, seed=plan.config.seed)
    model = load()
    config = fitted_to(model, plan.source, plan.config)
    if plan.source.distils:
        with early_maps_kept(model):
            seeing_once = replace(model, image_tokens=ImageTokenCache())
            data = distilled(seeing_once, data, with_retain=not config.hfru.feature_hold)
    return Prepared(model, data, config)


def unlearn(prepared: Prepared, out: Path) -> UnlearnSession:
    """The session that leaves its adapter in `out`: `run()` trains, and yields after each step."""
    return UnlearnSession(prepared.model, prepared.data, prepared.config, out)


def rates(base: VLM | None, unlearned: VLM, data: UnlearnData) -> Iterator[Evaluation]:
    """The rates of the base model, then those of the unlearned one.

    Without a `base` it is the unlearned model with its adapter switched off: no second copy.
    """
    with unlearned.without_adapter():
        before = evaluate(base or unlearned, data)[0]
    yield before
    yield evaluate(unlearned, data)[0]
