"""Deleting what visitors left, for as long as the process lives."""

from __future__ import annotations

import threading
import time

from hfru_core.studio.server import quota
from hfru_core.studio.sessions.studio import Studio

EVERY = 600  # seconds


def keep_tidy(studio: Studio) -> threading.Thread:
    """Delete what has expired, now and then; to be called before anything is in the cache."""
    studio.tidy_start()
    quota.expire(studio.cache, quota.HOUR)

    def tidy() -> None:
        while True:
            studio.sweep()
            time.sleep(EVERY)

    thread = threading.Thread(target=tidy, name="keep-tidy", daemon=True)
    thread.start()
    return thread
