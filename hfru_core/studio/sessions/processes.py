"""Visitors' processes of one kind, audits or parts of the benchmark: at most one a visitor.

Like a session, one goes on while somebody watches it, and for a minute after its visitor's line was
lost; whoever comes back in time finds it under way, or how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Generic, TypeVar

from hfru_core.child_process import Child
from hfru_core.studio.sessions.background import Watched
from hfru_core.studio.sessions.running import PLACES
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

Progress = TypeVar("Progress")


@dataclass
class Process(Generic[Progress]):
    """A process that waits, is under way, or has ended.

    `steps` runs a child to its end, and cleans up after it.
    """

    steps: Callable[[Child], Iterator[Progress]]
    child: Child = field(default_factory=Child)
    watched: Watched[Progress] | None = None
    watch: object = None  # its place among what ends when nobody watches
    starting: Lock = field(default_factory=Lock)

    @property
    def over(self) -> bool:
        return self.watched is not None and self.watched.over.is_set()

    def start(self, device: Lock) -> Watched[Progress]:
        """Begin, once the device is free; the same where it was begun before."""
        with self.starting:
            if self.watched is None:
                steps = self.steps(self.child)
                self.watched = Watched(device, steps, lambda: self.child.stopped)
        return self.watched


class Processes(Generic[Progress]):
    """`by_visitor` are those of the kind; `refusal` is said to who has one and wants another."""

    def __init__(self, studio: Studio, refusal: str) -> None:
        self.studio, self.refusal = studio, refusal
        self.by_visitor: dict[str, Process[Progress]] = {}

    def busy(self, visitor: str) -> bool:
        """Whether one of the visitor's waits or is under way."""
        process = self.by_visitor.get(visitor)
        return process is not None and not process.over

    def check_idle(self, visitor: str) -> None:
        """Raise while one of the visitor's is under way, or as many as may wait do so."""
        if self.busy(visitor):
            raise UserError(self.refusal)
        if sum(not p.over for p in list(self.by_visitor.values())) >= PLACES:
            raise UserError(f"{PLACES} of these wait already: try again in some minutes.")

    def register(
        self, visitor: str, steps: Callable[[Child], Iterator[Progress]]
    ) -> Process[Progress]:
        """One that waits for its turn."""
        self.check_idle(visitor)
        self.stop(visitor)  # of one that has ended only its end is forgotten
        process = self.by_visitor[visitor] = Process(steps)
        process.watch = self.studio.pages.watch(visitor, partial(self.end, visitor, process))
        return process

    def reports(self, visitor: str) -> Iterator[Progress | None]:
        """What the registered one tells to its end, None meanwhile; it is started where it wasn't.

        Raises where it ended by an error. Who stops listening does not end it, and how it ended is
        told again: nobody knows whether the page has heard it.
        """
        process = self.by_visitor.get(visitor)
        if process is None:
            return
        watched = process.start(self.studio.device)
        yield from watched.reports()
        if watched.error:
            self.end(visitor, process)
            raise UserError(watched.error)

    def stop(self, visitor: str) -> Process[Progress] | None:
        """End the visitor's own now; what was ended."""
        process = self.by_visitor.get(visitor)
        if process:
            self.end(visitor, process)
        return process

    def forget_waiting(self, visitor: str) -> None:
        """Its place in the queue was refused: it will not begin."""
        process = self.by_visitor.get(visitor)
        if process and process.watched is None:
            self.end(visitor, process)

    def end(self, visitor: str, process: Process[Progress]) -> None:
        """End one, and let the visitor begin another; one that was begun meanwhile stays."""
        process.child.stop()
        self.studio.pages.unwatch(process.watch)
        if self.by_visitor.get(visitor) is process:
            del self.by_visitor[visitor]
