"""The sessions under way, at most one a visitor: registered, started, stopped, left behind.

The Unlearn tab and the API share them. A page that is closed ends its session, but a page that is
only loaded again is back within moments and goes on watching it.
"""

from __future__ import annotations

import threading
from pathlib import Path
from secrets import token_hex

from hfru_core.studio.server import browser
from hfru_core.studio.server.hardware import on_gpu
from hfru_core.studio.sessions.background import Watched
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.runner import Run, follow, seconds_for
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

MOST_STEPS = 400  # of a session, or of a method in a benchmark run
LOADING = 30.0  # seconds in which a page is there that has begun to load
GRACE = 3.0  # seconds in which a page that was closed may come back


class Sessions:
    """`runs` are the sessions by visitor, `watched` the reports of those that have started."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.runs: dict[str, Run] = {}
        self.watched: dict[str, Watched] = {}
        self.follow = on_gpu(follow, seconds_for)

    def folder(self, visitor: str) -> Path:
        """Where a visitor's adapters and checkpoints lie."""
        return self.studio.folder(visitor) / "runs"

    def check_idle(self, visitor: str) -> None:
        """Raise while a session of the visitor's is under way."""
        if visitor in self.runs:
            raise UserError("A session of yours is under way: wait for it, or stop it first.")

    def register(
        self, visitor: str, wish: Wish, out: Path | None = None, begun: bool = False
    ) -> Run:
        """A session that waits for its turn; `out` is where an interrupted one goes on."""
        self.check_idle(visitor)
        marker = self.studio.folder(visitor) / f"stop-{token_hex(8)}"
        run = self.runs[visitor] = Run(marker, wish=wish, out=out, begun=begun)
        return run

    def start(self, visitor: str) -> Watched | None:
        """Start the registered session; None where its visitor left, or it was started before."""
        run = self.runs.get(visitor)
        if run is None or run.wish is None or run.left or run.begun:
            return None
        run.begun = True
        reports = self.follow(self.studio, run, run.wish, self.folder(visitor))
        watched = self.watched[visitor] = Watched(self.studio.device, reports)
        return watched

    def end(self, visitor: str) -> None:
        """Forget a session that is over, or that never started."""
        watched = self.watched.get(visitor)
        if watched is None or watched.over.is_set():
            self.forget(visitor, self.runs.get(visitor))

    def forget(self, visitor: str, run: Run | None) -> None:
        """Let the visitor begin another session; one that was begun meanwhile stays."""
        if self.runs.get(visitor) is run:
            self.runs.pop(visitor, None)
            self.watched.pop(visitor, None)

    # Pages that come and go

    def await_page(self, token: str) -> None:
        """A browser has begun to load a page: its session goes on until the page is there."""
        if browser.valid(token):
            page = browser.COMING + token_hex(8)
            self.studio.pages.arrive(page, token)
            threading.Timer(LOADING, self.abandon, (page,)).start()

    def leave(self, page: str) -> None:
        """The page was closed: unless it comes back, nobody wants the result."""
        threading.Timer(GRACE, self.abandon, (page,)).start()

    def abandon(self, page: str) -> None:
        """End the session where no page of its browser is open any more."""
        visitor = self.studio.visitor(page)
        self.studio.pages.leave(page)
        run = self.runs.get(visitor)
        # A session that only waits has lost its place in the queue with its page.
        if run and (visitor not in self.watched or not self.studio.pages.present(visitor)):
            run.stop(left=True)
            self.forget(visitor, run)
        self.studio.discard(visitor)
