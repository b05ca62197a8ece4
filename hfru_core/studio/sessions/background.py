"""Work in a background thread that pages watch: it goes on when its page is loaded anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Generic, TypeVar

from hfru_core.types import UserError

EVERY = 0.5  # seconds between two reports
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

    def reports(self) -> Iterator[Report]:
        """The newest report, about twice a second, and the last one; several pages may watch."""
        last = None
        while True:
            over, report = self.over.is_set(), self.report
            if report is not None and report is not last:
                last = report
                yield report
            if over:
                return
            self.over.wait(EVERY)
