"""Several processes at one piece of work: `accelerate launch -m hfru_core unlearn ...`.

Every process runs the same program with the same seeds and takes its share of the rows: prompts of
a step, questions to be answered. Gradients are summed, each process's loss weighted by the tokens
it had, so that the sum is the gradient of one process with all rows. Rank 0 writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn

from hfru_core.types import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes that share the work, and which of them this one is."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def bounds(self, count: int) -> slice:
        """This process's share of `count` rows: one piece, as even as can be."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def part(self, rows: Sequence[T]) -> Sequence[T]:
        """This process's share of the rows themselves."""
        return rows[self.bounds(len(rows))]

    def total(self, value: torch.Tensor) -> torch.Tensor:
        """The sum over processes, without gradients."""
        value = value.detach().clone()
        if self.size > 1:
            with collective():
                distributed.all_reduce(value)
        return value

    def variance(self, rows: torch.Tensor) -> torch.Tensor:
        """The variance (1, D) of all processes' rows (N, D)."""
        if self.size == 1:
            return rows.var(0, keepdim=True)
        count = self.total(torch.tensor(float(len(rows)), device=rows.device))
        mean = self.total(rows.sum(0, keepdim=True)) / count
        return self.total((rows - mean).square().sum(0, keepdim=True)) / (count - 1)

    def gathered(self, rows: Sequence[T]) -> list[T]:
        """All processes' rows, in order."""
        if self.size == 1:
            return list(rows)
        parts: list = [None] * self.size
        with collective():
            distributed.all_gather_object(parts, list(rows))
        return [row for part in parts for row in part]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by the sum over processes; one message for all of them."""
        if self.size == 1:
            return
        trained = list(parameters)
        flat = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in trained]
        )
        pieces = self.total(flat).split([p.numel() for p in trained])
        for p, piece in zip(trained, pieces):
            p.grad = piece.view_as(p)

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.size > 1:
            with collective():
                distributed.barrier()


@contextmanager
def collective() -> Iterator[None]:
    """A collective operation; raises `UserError` where another process has ended."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "A process of the group has ended, and the others cannot go on without it "
            f"({str(error).splitlines()[0][:120]}). The last checkpoint is kept: repeat the "
            "command, with as many processes as you like, to go on from it."
        ) from None


def process_group(device: str) -> tuple[ProcessGroup, str]:
    """The group that `accelerate launch` or `torchrun` put this process in, and its device."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return ProcessGroup(), device
    from accelerate import PartialState

    on_cpu = device == "cpu" or not torch.cuda.is_available()
    state = PartialState(cpu=on_cpu)
    here = str(state.device) if device == "auto" else device
    return ProcessGroup(state.process_index, state.num_processes), here


def shard(layers: Iterable[nn.Module]) -> None:
    """Spread frozen layers over the group's devices (FSDP); each is gathered while it runs."""
    from torch.distributed.fsdp import fully_shard

    for layer in layers:
        fully_shard(layer)


def sharding_wanted(processes: ProcessGroup) -> bool:
    """Whether the launch's config asks for FSDP."""
    return processes.size > 1 and os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true"
