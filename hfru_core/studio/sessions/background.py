"""A session in a background thread that pages watch: it goes on when its page is loaded anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import copy_context

from hfru_core.studio.sessions.runner import Report
from hfru_core.types import UserError

EVERY = 0.5  # seconds between two reports


class Watched:
    """Reports as they come; `over` is set at the end, and `error` says why it ended early."""

    def __init__(self, device: threading.Lock, steps: Iterator[Report]) -> None:
        self.report: Report | None = None
        self.error = ""
        self.over = threading.Event()
        # The context tells a host that lends GPUs whose call this is.
        work = (copy_context().run, self.work, device, steps)
        threading.Thread(target=work[0], args=work[1:], name="session", daemon=True).start()

    def work(self, device: threading.Lock, steps: Iterator[Report]) -> None:
        """Go through the session, once the device is free."""
        try:
            with device:
                for self.report in steps:
                    pass
        except UserError as error:
            self.error = str(error)
        except Exception:
            self.error = "The session ended by an error of this app; its log tells more."
            raise
        finally:
            self.over.set()

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
