"""Locks that a killed process does not keep."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hfru_core.types import UserError


def claim(lock: Path) -> None:
    """Take the lock for this process; raises if a living process holds it."""
    try:
        with lock.open("x") as file:
            file.write(str(os.getpid()))
        return
    except FileExistsError:
        if not held(lock):
            lock.write_text(str(os.getpid()))
            return
    raise UserError(
        f"A session with the same --out is already running (process {lock.read_text()}). Wait for "
        "it, stop it, or choose another --out."
    )


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other living process holds the lock, and hold it."""
    while True:
        with suppress(UserError):
            claim(lock)
            break
        time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def held(lock: Path) -> bool:
    """Whether the process that a lock names is alive."""
    try:
        os.kill(int(lock.read_text()), 0)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
