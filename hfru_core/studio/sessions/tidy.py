"""Deleting what visitors left, for as long as the process lives."""

from __future__ import annotations

import threading
import time

from hfru_core.locks import claim
from hfru_core.studio.server import quota
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

EVERY = 600  # seconds


def alone(studio: Studio) -> bool:
    """Whether no other server uses the data folder: what lies there is of nobody who is here."""
    studio.data_folder.mkdir(parents=True, exist_ok=True)
    try:
        claim(studio.data_folder / "server.lock")
    except UserError:
        return False
    return True


def keep_tidy(studio: Studio) -> threading.Thread:
    """Delete what has expired, now and then; to be called before anything is in the cache."""
    if alone(studio):
        studio.tidy_start()
    quota.expire(studio.cache, quota.HOUR)

    def tidy() -> None:
        while True:
            studio.sweep()
            time.sleep(EVERY)

    thread = threading.Thread(target=tidy, name="keep-tidy", daemon=True)
    thread.start()
    return thread
