"""The checkpoint of a session: weights, moments and best weights, and progress as JSON.

It is replaced as a whole: tensors first, the JSON that names their file last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hfru_core.files import write_file
from hfru_core.model import precision
from hfru_core.model.weights import Tensors
from hfru_core.types import UserError

FILE = "session.json"
MOMENTS = ("exp_avg", "exp_avg_sq", "step")
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError,
          SafetensorError)  # fmt: skip


@dataclass
class Progress:
    """What a checkpoint holds beside tensors."""

    step: int = 0
    best_step: int = -1
    best_score: float = -1.0
    best_metrics: dict | None = None
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)


def write(
    work: Path,
    progress: Progress,
    identity: Mapping[str, Any],
    tensors: Mapping[str, Tensors],
    optimiser: torch.optim.Optimizer,
    dtype: torch.dtype,
) -> None:
    """Replace the checkpoint in `work`; `tensors` has those of `weight`, `best` and `reference`,
    `dtype` is the model's format of numbers."""
    name = f"checkpoint-{progress.step}.safetensors"
    flat = {f"{kind}/{n}": t for kind, named in tensors.items() for n, t in named.items()}
    for n, p in tensors["weight"].items():
        for key, value in optimiser.state[p].items():
            flat[f"{key}/{n}"] = value
    write_file(work / name, lambda path: save_file(contiguous(flat), path))
    record = {**asdict(progress), "file": name, "identity": identity}
    record |= {"dtype": precision.name_of(dtype)}
    write_file(work / FILE, lambda path: path.write_text(json.dumps(record, indent=1)))
    for old in work.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink()


def dtype_begun(out: Path) -> torch.dtype | None:
    """The format of numbers that an unfinished session in `out` began with; None without one."""
    file = out.with_name(out.name + ".part") / FILE
    try:
        return precision.named(json.loads(file.read_text())["dtype"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # what is wrong with a checkpoint is told when it is taken up


def read(work: Path) -> dict[str, Any] | None:
    """The record of a checkpoint, `identity` among its keys; None where there is none."""
    if not (work / FILE).is_file():
        return None
    with damage_told(work):
        record = json.loads((work / FILE).read_text())
        record["identity"]["config"]["preset"]
        return record


def take_up(
    work: Path,
    record: Mapping[str, Any],
    weights: Mapping[str, torch.nn.Parameter],
    optimiser: torch.optim.Optimizer,
    device: torch.device,
) -> tuple[Progress, Tensors, Tensors]:
    """Put weights and moments in place; returns progress, best weights and reference."""
    with damage_told(work):
        known = {k: v for k, v in record.items() if k not in ("file", "identity", "dtype")}
        part: dict[str, Tensors] = {k: {} for k in ("weight", "best", "reference", *MOMENTS)}
        for key, value in load_file(work / record["file"], device=str(device)).items():
            kind, _, name = key.partition("/")
            part[kind][name] = value
        for name, p in weights.items():
            p.data.copy_(part["weight"][name])
            if name in part["step"]:
                optimiser.state[p] = {k: part[k][name] for k in MOMENTS}
        return Progress(**known), part["best"], part["reference"]


@contextmanager
def damage_told(work: Path) -> Iterator[None]:
    """Raise in one line what is wrong with a checkpoint and what to do."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"The checkpoint of this session is damaged ({type(error).__name__}): it cannot go "
            f"on. Delete '{work.name}' (in the app: the button Delete) and start anew."
        ) from None


def contiguous(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Copies that safetensors can write."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
