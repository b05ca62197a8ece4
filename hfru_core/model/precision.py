"""The number format that a CPU computes large models in."""

from __future__ import annotations

import time
from typing import Any

import torch

LARGE = 512  # width of a decoder from which on the faster format is looked for


def cpu_dtype(config: Any) -> torch.dtype:
    """float32, but for a large decoder what this processor multiplies faster."""
    return faster_dtype() if config.get_text_config().hidden_size >= LARGE else torch.float32


def faster_dtype() -> torch.dtype:
    """bfloat16 where a product of matrices is faster in it than in float32."""
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
