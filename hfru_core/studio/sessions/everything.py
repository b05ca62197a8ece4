"""All that a visitor has here, deleted at once, and the work that would make more of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hfru_core.studio.sessions.processes import Processes
from hfru_core.studio.sessions.running import Sessions
from hfru_core.types import UserError

PATIENCE = 60.0  # seconds until a session has noticed that it is to end


@dataclass(frozen=True)
class Everything:
    """`others` are the audits and bench runs under way."""

    sessions: Sessions
    others: tuple[Processes, ...]

    def delete(self, page: str) -> None:
        """End what the page's visitor has under way, then delete what is theirs."""
        studio = self.sessions.studio
        visitor = studio.visitor(page)
        for processes in self.others:
            process = processes.stop(visitor)
            if process and process.watched and not process.watched.over.wait(PATIENCE):
                raise UserError("Your session has not ended yet: try again in a minute.")
        self.end_session(visitor)
        studio.forget(visitor)

    def end_session(self, visitor: str) -> None:
        """Stop the visitor's session, and wait until it writes no more."""
        run, watched = self.sessions.runs.get(visitor), self.sessions.watched.get(visitor)
        if run is None:
            return
        run.stop(left=True)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            over = watched.over.is_set() if watched else not run.begun
            if over or self.sessions.runs.get(visitor) is not run:
                self.sessions.forget(visitor, run)
                return
            time.sleep(0.05)
        raise UserError("Your session has not ended yet: try again in a minute.")
