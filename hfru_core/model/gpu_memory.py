"""A device whose memory is too small ends in advice, not in a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hfru_core.types import UserError


@contextmanager
def advice(what: str, way_out: str) -> Iterator[None]:
    """Turn torch's error of a full memory into one that says what did not fit, and a way out."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(f"The GPU's memory is too small for {what}. {way_out}") from None


def give_back() -> None:
    """Hand what is cached but unused back to the GPU."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
