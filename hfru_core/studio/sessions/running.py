"""The sessions under way, at most one a visitor: registered, started, stopped, left behind.

The Unlearn tab and the API share them. A session goes on while somebody watches it, and for a
minute after its visitor's line was lost; then it ends, and can be resumed from its checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from secrets import token_hex

from hfru_core.studio.server.hardware import on_gpu
from hfru_core.studio.sessions.background import Watched
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.runner import Report, Run, follow, seconds_for
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

MOST_STEPS = 400  # of a session, or of a method in a benchmark run
PLACES = 32  # sessions that wait or are under way


class Sessions:
    """`runs` are the sessions by visitor, `watched` the reports of those that have started."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.runs: dict[str, Run] = {}
        self.watched: dict[str, Watched[Report]] = {}
        studio.pages.farewell = studio.discard
        self.follow = on_gpu(follow, seconds_for)

    def folder(self, visitor: str) -> Path:
        """Where a visitor's adapters and checkpoints lie."""
        return self.studio.folder(visitor) / "runs"

    def check_idle(self, visitor: str) -> None:
        """Raise while a session of the visitor's is under way, or as many as may wait do so."""
        if visitor in self.runs:
            raise UserError("A session of yours is under way: wait for it, or stop it first.")
        if len(self.runs) >= PLACES:
            raise UserError(f"{PLACES} sessions wait already: try again in some minutes.")

    def register(
        self, visitor: str, wish: Wish, out: Path | None = None, begun: bool = False
    ) -> Run:
        """A session that waits for its turn; `out` is where an interrupted one goes on."""
        self.check_idle(visitor)
        marker = self.studio.folder(visitor) / f"stop-{os.getpid()}_{token_hex(8)}"
        run = self.runs[visitor] = Run(marker, wish=wish, out=out, begun=begun)
        run.watch = self.studio.pages.watch(visitor, partial(self.abandon, visitor, run))
        return run

    def start(self, visitor: str) -> Watched[Report] | None:
        """Start the registered session; None where its visitor left, or it was started before."""
        run = self.runs.get(visitor)
        if run is None or run.wish is None or run.left or run.begun:
            return None
        run.begun = True
        watched = self.watched[visitor] = Watched(
            self.studio.device, self.reports(visitor, run), lambda: run.left
        )
        return watched

    def reports(self, visitor: str, run: Run) -> Iterator[Report]:
        """What a session tells from its beginning to its end."""
        try:
            yield from self.follow(self.studio, run, run.wish, self.folder(visitor))
        finally:
            run.marker.unlink(missing_ok=True)

    def end(self, visitor: str) -> None:
        """Forget a session that is over, or that never started."""
        watched = self.watched.get(visitor)
        if watched is None or watched.over.is_set():
            self.forget(visitor, self.runs.get(visitor))

    def forget(self, visitor: str, run: Run | None) -> None:
        """Let the visitor begin another session; one that was begun meanwhile stays."""
        if run is not None and self.runs.get(visitor) is run:
            self.studio.pages.unwatch(run.watch)
            self.runs.pop(visitor, None)
            self.watched.pop(visitor, None)

    def abandon(self, visitor: str, run: Run) -> None:
        """End a session that nobody watches any more; its checkpoint stays."""
        watched = self.watched.get(visitor)
        if run.begun and not (watched and watched.over.is_set()):
            run.stop(left=True)
        self.forget(visitor, run)
