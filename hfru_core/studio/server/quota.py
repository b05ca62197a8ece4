"""How much may lie in the data folder, of one visitor and of all, and for how long."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from hfru_core.types import UserError

HOUR, DAY = 3600, 24 * 3600
MOST_BYTES = 2**30  # of a visitor
MOST_OF_ALL = 10 * 2**30  # of the data folder
MOST_FILES = 20_000  # of a visitor: a file of one byte takes room too
MOST_FILES_OF_ALL = 200_000
LEAST_FREE = 2**29  # of its disk
LOOK_AGAIN = 10  # seconds that a measured size is trusted
MEASURING = threading.Lock()  # many ask at once, one walks


def bytes_in(folder: Path) -> int:
    """The size of a folder; files that are deleted meanwhile do not count."""
    return sum(size for size, _ in files_in(folder))


def last_change(folder: Path) -> float:
    """The newest modification time in a folder."""
    return max((changed for _, changed in files_in(folder)), default=folder.stat().st_mtime)


def files_in(folder: Path) -> list[tuple[int, float]]:
    """Size and modification time of every file."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                info = os.stat(os.path.join(parent, name), follow_symlinks=False)
            except OSError:
                continue
            found.append((info.st_size, info.st_mtime))
    return found


def holds(folder: Path, most_bytes: int, most_files: int) -> bool:
    """Whether a folder holds so many bytes or files."""
    files = files_in(folder)
    return len(files) >= most_files or sum(size for size, _ in files) >= most_bytes


def check_visitor(folder: Path) -> None:
    """Raise where a visitor has stored as much as one may."""
    if holds(folder, MOST_BYTES, MOST_FILES):
        raise UserError(
            f"You have stored {MOST_BYTES / 2**20:.0f} MB or {MOST_FILES} files here, which is the "
            "most. Download what "
            "you want to keep: all of it is deleted a day after you last made something."
        )


def check_all(data_folder: Path) -> None:
    """Raise where all visitors together have filled what is set aside for them."""
    with MEASURING:
        no_room = full(data_folder, int(time.monotonic() // LOOK_AGAIN))
    if no_room:
        raise UserError(
            "This server has no room for more files at present. Files of visitors are deleted "
            f"after {DAY // HOUR} hours: try again later, or run the app on your own machine."
        )


@lru_cache(maxsize=1)
def full(data_folder: Path, when: int) -> bool:
    """Whether there is no room; measured once for every `when`, since it walks the folder."""
    data_folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(data_folder).free
    return free < LEAST_FREE or holds(data_folder, MOST_OF_ALL, MOST_FILES_OF_ALL)


def expire(parent: Path, older_than: float) -> None:
    """Delete the folders in `parent` in which nothing was written for so many seconds."""
    now = time.time()
    for path in parent.glob("*"):
        try:
            age = now - last_change(path)
            if age < 0:  # The clock was set back: it expires so many seconds from now.
                touch(path, now)
        except OSError:  # Somebody else deleted it.
            continue
        if age > older_than:
            shutil.rmtree(path, ignore_errors=True)


def touch(folder: Path, when: float) -> None:
    """Set the modification time of every file in a folder."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (when, when), follow_symlinks=False)


def clear_leftovers(cache: Path, older_than: float) -> None:
    """Delete what uploads that broke off left: Gradio knows neither such files nor empty folders.

    The files in folders stay: Gradio deletes them, and knows which of them the page still needs.
    """
    for path in cache.glob("*"):
        with suppress(OSError):  # A folder that is not empty, or somebody else deleted it.
            if time.time() - path.stat().st_mtime > older_than:
                path.rmdir() if path.is_dir() else path.unlink()
