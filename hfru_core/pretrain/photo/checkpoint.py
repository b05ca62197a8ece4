"""The checkpoint of a stage: tensors of its modules and optimisers, the step in the metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hfru_core.files import write_file


def keep(file: Path, parts: dict[str, Any], step: int) -> None:
    """Write a stage's checkpoint: the tensors of its modules and optimisers."""
    flat = {f"{name}/{k}": v for name, part in parts.items() for k, v in tensors_of(part).items()}
    whole_ones = {k: v.detach().contiguous().clone() for k, v in flat.items()}
    write_file(file, lambda path: save_file(whole_ones, path, {"step": str(step)}))


def tensors_of(part: Any) -> dict[str, torch.Tensor]:
    """A module's tensors, or an optimiser's moments by the number of their weight."""
    state = part.state_dict()
    if not is_optimiser(part):
        return state
    return {f"{i}/{k}": v for i, kept in state["state"].items() for k, v in kept.items()}


def restored(file: Path, parts: dict[str, Any]) -> int:
    """Read a stage's checkpoint, if there is one; the number of its next step."""
    if not file.is_file():
        return 0
    with safe_open(file, framework="pt") as kept:
        step = int(kept.metadata()["step"])
    found = load_file(file)
    for name, part in parts.items():
        own = {k.removeprefix(f"{name}/"): v for k, v in found.items() if k.startswith(f"{name}/")}
        part.load_state_dict(moments(part, own) if is_optimiser(part) else own)
    return step


def is_optimiser(part: Any) -> bool:
    return isinstance(part, torch.optim.Optimizer)


def moments(optimiser: torch.optim.Optimizer, flat: dict[str, torch.Tensor]) -> dict[str, Any]:
    """An optimiser's state with these moments; its rates are set at every step."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in flat.items():
        number, _, name = key.partition("/")
        state.setdefault(int(number), {})[name] = value
    return optimiser.state_dict() | {"state": state}
