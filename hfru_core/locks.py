"""Locks that a killed process does not keep."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from hfru_core.types import UserError

try:
    import fcntl
except ImportError:  # Windows: two processes that find the same dead one may both take its lock.
    fcntl = None  # type: ignore[assignment]  # there is no type for a module that may be missing


def claim(lock: Path) -> None:
    """Write this process's number into the lock; raises if a living process holds it."""
    while True:
        with lock.open("a+") as file:
            serialise(file)
            if not in_place(file, lock):
                continue  # Who held it has deleted it since it was opened.
            file.seek(0)
            holder = file.read()
            if held(holder):
                break
            file.truncate(0)
            file.write(str(os.getpid()))
            return
    raise UserError(
        f"A session with the same --out is already running (process {holder}). Wait for "
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


def serialise(file: TextIO) -> None:
    """Let one process at a time read and write the file, until it closes it or is killed."""
    if fcntl:
        with suppress(OSError):  # some network file systems cannot
            fcntl.flock(file, fcntl.LOCK_EX)


def in_place(file: TextIO, path: Path) -> bool:
    """Whether an open file is the one that lies at a path now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def held(holder: str) -> bool:
    """Whether the process whose number a lock holds is alive."""
    try:
        os.kill(int(holder), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
