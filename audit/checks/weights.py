"""Weights: what was changed where, tensor by tensor against the original.

Told first, since it says what kind of unlearning this is: one that leaves the tower as it was is
none of vision, whatever the answers are. Does not cover: what the changes do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from audit.base import Case, Finding, Measure, measures
from audit.keys import FindingKey
from hfru_core.model.kept_tensors import KeptTensors
from hfru_core.model.vlm import VLM

PARTS = ("tower", "projector", "decoder", "embeddings")
NOTE = (
    "A comparison of weights, an adapter's folded in; exact, so that the interval is the value "
    "itself. An oracle was trained from the start: all of it differs."
)


class Change(NamedTuple):
    """Of a part: how many tensors there are, how many differ, and by how much of their norm."""

    tensors: int = 0
    changed: int = 0
    moved: float = 0.0  # squared norm of the difference
    size: float = 0.0  # squared norm of the original


def base_weights(case: Case) -> KeptTensors:
    """The original's tensors by name, put away once for all audits."""

    def put_away() -> KeptTensors:
        with case.opened("base") as base:
            return KeptTensors.of(base.core.state_dict())

    return case.once(("weights of the base",), put_away)


def part_of(vlm: VLM, name: str) -> str:
    """Which of PARTS a tensor belongs to; some projectors lie inside the tower's module."""
    core, family = vlm.core, vlm.family
    tables = [core.get_input_embeddings(), core.get_output_embeddings()]
    if any(core.get_submodule(name.rpartition(".")[0]) is table for table in tables):
        return "embeddings"
    if name.startswith(f"{family.projector}."):
        return "projector"
    return "tower" if name.startswith(f"{family.tower}.") else "decoder"


def changes(vlm: VLM, base: KeptTensors) -> dict[str, Change]:
    """What differs from the base model, part by part."""
    found: dict[str, Change] = defaultdict(Change)
    for name, value in vlm.core.state_dict().items():
        part, before = part_of(vlm, name), base.get(name).to(value.device)
        tensors, changed, moved, size = found[part]
        gap = (value.float() - before.float()).square().sum().item()
        found[part] = Change(
            tensors + 1,
            changed + (gap > 0),
            moved + gap,
            size + before.float().square().sum().item(),
        )
    return found


def weights(case: Case) -> Iterator[Finding]:
    """For each part: the share of tensors that differ, and the change relative to the norm."""
    base, found = base_weights(case), {}
    for name in case.models:
        with case.opened(name) as opened:
            found[name] = changes(opened, base)
    for part in PARTS:
        if part in found["base"]:
            own = {name: parts[part] for name, parts in found.items()}
            yield told(FindingKey.CHANGED, f"tensors of the {part} that were changed", part, own)
            yield told(FindingKey.MOVED, f"change of the {part}, in units of its norm", part, own)


def told(key: FindingKey, name: str, part: str, found: dict[str, Change]) -> Finding:
    """One number for each model."""
    return Finding(
        "weights",
        key,
        name,
        "info",
        "higher",
        **measures({model: number(key, change) for model, change in found.items()}),
        params=(("part", part),),
        note=NOTE,
    )


def number(key: FindingKey, c: Change) -> Measure:
    value = c.changed / c.tensors if key == FindingKey.CHANGED else (c.moved / (c.size or 1)) ** 0.5
    return Measure(value, c.tensors, value, value)
