"""Work in a background thread that pages watch: it goes on when its page is loaded anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Generic, TypeVar

from hfru_core.types import UserError

EVERY = 0.5  # seconds between two reports
MOST = 3  # pages that watch the same work
Report = TypeVar("Report")


class Watched(Generic[Report]):
    """Reports as they come; `over` is set at the end, and `error` says why it ended early.

    It waits for `device`, until `given_up` says that it needn't any more.
    """

    def __init__(
        self,
        device: threading.Lock,
        steps: Iterator[Report],
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self.report: Report | None = None
        self.error = ""
        self.over = threading.Event()
        self.given_up = given_up
        self.watching: list[object] = []
        # The context tells a host that lends GPUs whose call this is.
        work = (copy_context().run, self.work, device, steps)
        threading.Thread(target=work[0], args=work[1:], name="session", daemon=True).start()

    def work(self, device: threading.Lock, steps: Iterator[Report]) -> None:
        """Go through the work, once the device is free."""
        try:
            if self.has_turn(device):
                self.go_through(device, steps)
        except UserError as error:
            self.error = str(error)
        except Exception:
            self.error = "It ended by an error of this app; its log tells more."
            raise
        finally:
            self.over.set()

    def has_turn(self, device: threading.Lock) -> bool:
        """Wait for the device; False where it was given up meanwhile."""
        while not device.acquire(timeout=EVERY):
            if self.given_up():
                return False
        return True

    def go_through(self, device: threading.Lock, steps: Iterator[Report]) -> None:
        try:
            for self.report in steps:
                pass
        finally:
            device.release()

    def reports(self) -> Iterator[Report | None]:
        """The newest report, about twice a second, and the last one; None where there is none yet
        or it is told already. The newest pages watch, an earlier one ends.

        Each page that watches holds a place among the server's events. The server notices that it
        has gone when something is told to it, also while the work waits for the device.
        """
        page = object()
        self.watching.append(page)
        del self.watching[:-MOST]
        try:
            yield from self.told_to(page)
        finally:
            if page in self.watching:
                self.watching.remove(page)

    def told_to(self, page: object) -> Iterator[Report | None]:
        """What one page is told while it is among those that watch."""
        last = None
        while page in self.watching:
            over, report = self.over.is_set(), self.report
            if report is not last or not over:
                yield report if report is not last else None
            last = report
            if over:
                return
            self.over.wait(EVERY)
