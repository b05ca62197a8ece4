"""What was seen of the models, kept on disk: an audit that was stopped goes on from there.

Answers are JSON, features safetensors. What is neither is not kept, and made again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hfru_core.files import dumps, write_file, write_text
from hfru_core.types import UserError

SUBJECT = "subject.json"  # in the folder that keeps what an unfinished audit saw
T = TypeVar("T")


class Results:
    """A folder of results of one audit; what another audit left there is removed.

    Raises where it is no audit's: an unfinished session leaves a folder of the same name.
    """

    def __init__(self, folder: Path, subject: str) -> None:
        self.folder, self.subject = folder, subject
        if folder.exists() and not self.is_ours():
            if not (folder / SUBJECT).is_file():
                raise UserError(
                    f"'{folder}' is there and is no audit's: results are kept in it meanwhile. "
                    "Choose another --out."
                )
            shutil.rmtree(folder, ignore_errors=True)

    def is_ours(self) -> bool:
        try:
            return (self.folder / SUBJECT).read_text(encoding="utf-8") == self.subject
        except (OSError, ValueError):
            return False

    def once(self, what: tuple, make: Callable[[], T]) -> T:
        """A result as it was kept, or made and kept."""
        stem = self.folder / sha256(repr(what).encode()).hexdigest()[:32]
        if (found := read(stem)) is not None:
            return found[0]
        value = make()
        self.keep(stem, value)
        return value

    def keep(self, stem: Path, value: object) -> None:
        tensors: dict[str, torch.Tensor] = {}
        try:
            tree = packed(value, tensors)
        except TypeError:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / SUBJECT).is_file():
            write_text(self.folder / SUBJECT, self.subject)
        if tensors:
            write_file(stem.with_suffix(".safetensors"), lambda beside: save_file(tensors, beside))
        write_text(stem.with_suffix(".json"), dumps(tree))

    def remove(self) -> None:
        """The audit is done."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read(stem: Path) -> tuple[Any] | None:
    """The value that was kept; None where there is none that can be read."""
    try:
        tree = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        file = stem.with_suffix(".safetensors")
        return (unpacked(tree, load_file(file) if file.is_file() else {}),)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def packed(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """A value as JSON, its arrays apart; raises TypeError where it holds anything else."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {"dict": {k: packed(v, tensors) for k, v in value.items()}}
    if type(value) in (list, tuple):
        return {type(value).__name__: [packed(v, tensors) for v in value]}
    if isinstance(value, np.ndarray | torch.Tensor):
        name = str(len(tensors))
        tensors[name] = torch.as_tensor(value).cpu().contiguous()
        return {"array" if isinstance(value, np.ndarray) else "tensor": name}
    raise TypeError(f"not kept: {type(value).__name__}")


def unpacked(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """The value of `packed`."""
    if not isinstance(tree, dict):
        return tree
    ((kind, inner),) = tree.items()
    if kind == "dict":
        return {k: unpacked(v, tensors) for k, v in inner.items()}
    if kind in ("list", "tuple"):
        found = [unpacked(v, tensors) for v in inner]
        return found if kind == "list" else tuple(found)
    return tensors[inner].numpy() if kind == "array" else tensors[inner]
