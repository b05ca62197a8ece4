"""What this machine can do: what is offered where, and why."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["zerogpu", "gpu", "cpu"]
SMALL, LARGE = "HuggingFaceTB/SmolVLM-256M-Instruct", "Qwen/Qwen2.5-VL-3B-Instruct"
ROOMY = 16  # GB of GPU memory from which on the larger model is proposed
LONGEST = 300  # seconds that a visitor's GPU allowance may be asked for at once
GIGABYTE = 1e9


@dataclass(frozen=True)
class Hardware:
    """The device at hand; `space` says that visitors come from the net."""

    kind: Kind
    name: str
    memory: float | None = None
    space: bool = False

    @property
    def model(self) -> str:
        """A real model that fits here."""
        large = self.kind == "zerogpu" or (self.memory or 0) >= ROOMY
        return LARGE if large else SMALL

    @property
    def banner(self) -> str:
        """What is available here and why, in one or two sentences."""
        if self.kind == "cpu":
            return (
                "This runs on a CPU: the bundled model trains here in about a minute, finished "
                f"adapters and reports need no training. Models of your own want a GPU; {SMALL} "
                "works on a CPU too, slowly."
            )
        lent = (
            "a GPU is lent for each session, from your daily allowance"
            if self.kind == "zerogpu"
            else f"{self.name}, {self.memory:.0f} GB"
        )
        return f"GPU at hand ({lent}). Besides the bundled model, {self.model} fits here."


def here() -> Hardware:
    """This machine."""
    space = "SPACE_ID" in os.environ
    if os.environ.get("SPACES_ZERO_GPU") and importlib.util.find_spec("spaces"):
        return Hardware("zerogpu", "ZeroGPU", space=space)
    import torch

    if not torch.cuda.is_available():
        return Hardware("cpu", "CPU", space=space)
    memory = torch.cuda.get_device_properties(0).total_memory / GIGABYTE
    return Hardware("gpu", torch.cuda.get_device_name(0), memory, space)


def seconds_of(steps: int, bundled: bool) -> int:
    """How long a session is expected to hold a GPU: loading, steps, judging."""
    load, step = (20, 0.4) if bundled else (60, 5.0)
    return min(LONGEST, round(load + step * steps))


def on_gpu(work: Callable, seconds: Callable[..., int]) -> Callable:
    """`work` in a process that holds a GPU, where GPUs are lent by the call; else `work` itself.

    Arguments and results cross by pickle and weights changed there stay there: `work` has to
    leave its result in a file. `seconds` takes the same arguments.
    """
    if not (os.environ.get("SPACES_ZERO_GPU") and importlib.util.find_spec("spaces")):
        return work
    import spaces

    return spaces.GPU(duration=seconds)(work)
