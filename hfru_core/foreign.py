"""Whatever a library raises over files from elsewhere becomes one line that helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hfru_core.types import UserError

LONGEST = 300  # letters of what a library says
NOT_OURS = (UserError, KeyboardInterrupt, SystemExit, GeneratorExit)


@contextmanager
def one_line(what: str, way: str) -> Iterator[None]:
    """Raise a `UserError` of one line where a library fails: what, its own words, a way out.

    Of `BaseException` too: a panic of a library in Rust is no `Exception`.
    """
    try:
        yield
    except NOT_OURS:
        raise
    except BaseException as error:
        raise UserError(f"{what}: {said(error)}. {way}") from error


def said(error: BaseException) -> str:
    """An error's kind and its words, on one line and cut short."""
    words = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, MemoryError):
        words = words or "more memory would be needed than there is"
    short = words if len(words) <= LONGEST else words[:LONGEST] + "..."
    return f"{type(error).__name__}: {short}" if short else type(error).__name__
