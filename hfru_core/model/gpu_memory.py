"""Where the GPU's memory is too small, a way out takes the place of torch's error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hfru_core.types import UserError


@contextmanager
def explained(what: str, way_out: str) -> Iterator[None]:
    """Raise a `UserError` that says what did not fit, and a way out, where memory runs out."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(f"The GPU's memory is too small for {what}. {way_out}") from None


def release_cache() -> None:
    """Give cached but unused memory back to the GPU."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
