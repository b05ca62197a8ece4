"""Several models in the memory of one: they share its modules and take turns.

A side is the first model with other values in some of its tensors, or with an adapter on its
layers. The tensors that differ are kept outside the model and exchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from hfru_core.model.adapter_switch import Modules, adapted, place, plain
from hfru_core.model.kept_tensors import KeptTensors


@dataclass
class Sides:
    """The values of every side by its name, and which one's are in `core` now."""

    core: Any
    now: str
    first: KeptTensors = field(default_factory=KeptTensors)
    values: dict[str, KeptTensors] = field(default_factory=dict)
    endings: dict[str, Any] = field(default_factory=dict)  # generation settings: what ends answers
    worn_by: str | None = None
    on: Modules = field(default_factory=dict)
    off: Modules = field(default_factory=dict)

    def to(self, name: str) -> None:
        """Put a side's weights into the model."""
        if name == self.now:
            return
        if self.now == self.worn_by:
            place(self.core, self.off)
        self.exchange({*self.differing(self.now), *self.differing(name)}, name)
        if name == self.worn_by:
            place(self.core, self.on)
        self.core.generation_config = self.endings.get(name, self.core.generation_config)
        self.now = name

    def differing(self, name: str) -> Iterable[str]:
        """The tensors in which a side differs from the first."""
        return self.values.get(name, ())

    @torch.no_grad()
    def exchange(self, tensors: Iterable[str], name: str) -> None:
        own, state = self.values.get(name, self.first), self.core.state_dict()
        for tensor in tensors:
            state[tensor].copy_((own if tensor in own else self.first).get(tensor))

    def wear(self, name: str) -> None:
        """The adapter that was just put on `core` is that of a side."""
        self.on = adapted(self.core)
        self.off = {path: plain(module) for path, module in self.on.items()}
        self.worn_by = self.now = name


def changed(core: Any, first: KeptTensors) -> KeptTensors:
    """The tensors of a model that differ from those of another one of the same architecture."""
    kept = KeptTensors()
    for name, value in core.state_dict().items():
        if not torch.equal(value, first.get(name).to(value.device)):
            kept.put(name, value)
    return kept
