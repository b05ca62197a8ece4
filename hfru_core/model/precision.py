"""What a CPU needs to compute large models: their number format, and no copies of weights."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import torch

LARGE = 512  # width of a decoder from which on the faster format is looked for


def is_large(config: Any) -> bool:
    """Whether a model's decoder is wide enough to be worth other ways."""
    return config.get_text_config().hidden_size >= LARGE


def cpu_dtype(config: Any) -> torch.dtype:
    """float32, but for a large decoder what this processor multiplies faster."""
    return faster_dtype() if is_large(config) else torch.float32


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def named(name: str) -> torch.dtype:
    """The format that a record names; raises ValueError for others."""
    formats = {name_of(d): d for d in (torch.float32, torch.bfloat16)}
    if name not in formats:
        raise ValueError(f"no format of numbers: {name!r:.80}")
    return formats[name]


def read_contiguous(layer: torch.nn.Module) -> None:
    """Let a layer read contiguous rows: of the end of a sequence (B, 1, D) torch makes B products,
    each with a copy of the weights, which for 64 rows and 49,000 words are gigabytes."""
    layer.register_forward_pre_hook(contiguous)


def contiguous(_: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(a.contiguous() for a in args)


@lru_cache(maxsize=1)
def faster_dtype() -> torch.dtype:
    """bfloat16 where a product of matrices is faster in it than in float32; asked once a process,
    since a stopwatch may say otherwise the next time."""
    return min((torch.float32, torch.bfloat16), key=seconds_of_a_product)


def seconds_of_a_product(dtype: torch.dtype) -> float:
    """The best of five, since other processes come between."""
    a, b = torch.ones(512, 576, dtype=dtype), torch.ones(576, 1536, dtype=dtype)
    seconds = []
    for _ in range(6):  # the first one warms up
        began = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
