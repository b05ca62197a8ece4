"""Tensors that are put away by name: in memory while they are few, else in files of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from hfru_core.files import reason
from hfru_core.types import UserError

FEW = 64 * 2**20  # bytes that stay in memory


class KeptTensors:
    """Copies of tensors by name; the files are gone with the object."""

    def __init__(self) -> None:
        self.near: dict[str, torch.Tensor] = {}
        self.far: dict[str, tuple[Path, str]] = {}
        self.bytes = 0
        self.folder: TemporaryDirectory | None = None

    def __contains__(self, name: str) -> bool:
        return name in self.near or name in self.far

    def __iter__(self) -> Iterator[str]:
        yield from (*self.near, *self.far)

    def put(self, name: str, value: torch.Tensor) -> None:
        """Keep a copy of a tensor."""
        self.bytes += value.nbytes
        if self.bytes <= FEW:
            self.near[name] = value.detach().clone()
            return
        if self.folder is None:
            self.folder = TemporaryDirectory(prefix="hfru-")
        file = Path(self.folder.name) / f"{len(self.far)}.safetensors"
        try:
            save_file({"value": value.detach().contiguous()}, file)
        except OSError as error:
            raise UserError(
                f"Weights could not be put away in '{file.parent}': {reason(error)}. Free some "
                "space there, or name another folder by the variable TMPDIR."
            ) from None
        self.far[name] = (file, str(value.device))

    def get(self, name: str) -> torch.Tensor:
        """The tensor that was put there, on the device where it was."""
        if name in self.near:
            return self.near[name]
        file, device = self.far[name]
        return load_file(file, device=device)["value"]

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor]) -> KeptTensors:
        """Copies of all of these."""
        kept = cls()
        for name, value in tensors.items():
            kept.put(name, value)
        return kept


@contextmanager
def lent(tensors: Mapping[str, torch.Tensor]) -> Iterator[KeptTensors]:
    """Tensors that may be changed for a while: their values are kept, and put back."""
    kept = KeptTensors.of(tensors)
    try:
        yield kept
    finally:
        with torch.no_grad():
            for name, value in tensors.items():
                value.copy_(kept.get(name))
