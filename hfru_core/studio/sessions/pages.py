"""The pages that are open, whose they are, and what ends when nobody of theirs is there."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex

from hfru_core.studio.server import browser

GRACE = 75.0  # seconds that work goes on for who lost their line: a minute, and a page's loading
AWAY = 50.0  # seconds after which they count as gone, and what they sent is deleted
EVERY = 1.0  # seconds between two looks at who is there
MOST = 1000  # pages that are remembered without a line


class Pages:
    """Which visitor each page belongs to, and who is there: whoever holds a line open, or did so
    less than `GRACE` ago. A page that lost its line stays its visitor's; the oldest go first."""

    def __init__(self) -> None:
        self.salt = token_hex()  # nobody guesses the folder of a client without a token
        self.visitors: dict[str, str] = {}
        self.lines: Counter[str] = Counter()  # open ones, by page
        self.seen: dict[str, float] = {}  # by visitor, the oldest first
        self.going: set[str] = set()  # visitors who lost a line
        self.farewell: Callable[[str], object] = lambda visitor: None
        self.work: dict[object, tuple[str, Callable[[], object]]] = {}
        self.sweeper: threading.Thread | None = None

    def __reduce__(self) -> tuple:
        return (Pages, ())  # A process of its own that holds a GPU has no pages.

    # Whose they are

    def arrive(self, page: str, token: object, user: str | None = None) -> None:
        """A page is open: it is of the user, or of the visitor whose token its browser keeps."""
        if browser.valid(token):
            self.visitors.pop(page, None)
            self.visitors[page] = browser.visitor_of(str(token), user)
            self.see(self.visitors[page])
            silent = [p for p in list(self.visitors) if p not in self.lines]
            for oldest in silent[:-MOST]:
                self.visitors.pop(oldest, None)

    def visitor(self, page: str | None) -> str:
        """The name of a visitor's folder: of the page's browser, or of the client's random id."""
        known = self.visitors.get(page or "")
        return known or hashlib.sha256(f"{self.salt}/{page}".encode()).hexdigest()[:32]

    # Who is there

    @contextmanager
    def line(self, page: str) -> Iterator[None]:
        """A page holds a line open while the block runs."""
        self.lines[page] += 1
        try:
            yield
        finally:
            self.lines[page] -= 1
            if not self.lines[page]:
                del self.lines[page]
            visitor = self.visitor(page)
            self.see(visitor)
            self.going.add(visitor)
            self.sweep_on()

    def see(self, visitor: str) -> None:
        """The visitor is there now."""
        self.seen.pop(visitor, None)
        self.seen[visitor] = time.monotonic()
        for oldest in list(self.seen)[:-MOST]:
            self.seen.pop(oldest, None)

    def come_back(self, token: str) -> None:
        """A browser has begun to load a page: what it has under way goes on meanwhile."""
        if browser.valid(token):
            visitor = browser.visitor_of(token)
            if visitor in [v for v, _ in list(self.work.values())]:
                self.see(visitor)

    def present(self, visitor: str, grace: float | None = None) -> bool:
        """Whether any page of the visitor is open, or was so less than `grace` seconds ago."""
        last = self.seen.get(visitor, -math.inf)
        if time.monotonic() - last < (GRACE if grace is None else grace):
            return True
        return visitor in [self.visitor(page) for page in list(self.lines)]

    def gone(self, visitor: str) -> bool:
        """Whether nobody of the visitor's has been there for a while: what they sent may go."""
        return not self.present(visitor, AWAY)

    # What ends

    def watch(self, visitor: str, end: Callable[[], object]) -> object:
        """Call `end` once the visitor is gone; what is returned is for `unwatch`."""
        key = object()
        self.see(visitor)
        self.work[key] = (visitor, end)
        self.sweep_on()
        return key

    def unwatch(self, key: object) -> None:
        """It is over."""
        self.work.pop(key, None)

    def sweep_on(self) -> None:
        """Have the thread that looks now and then who is there: one for all."""
        if self.sweeper is None:
            self.sweeper = threading.Thread(target=self.keep_sweeping, name="pages", daemon=True)
            self.sweeper.start()

    def keep_sweeping(self) -> None:
        while True:
            time.sleep(EVERY)
            self.sweep()

    def sweep(self) -> None:
        """End what nobody watches, and say farewell to who is gone."""
        for key, (visitor, end) in list(self.work.items()):
            if not self.present(visitor):
                self.unwatch(key)
                end()
        for visitor in [v for v in list(self.going) if self.gone(v)]:
            self.going.discard(visitor)
            self.farewell(visitor)
