"""The pages that are open, and whose they are."""

from __future__ import annotations

import hashlib
from secrets import token_hex

from hfru_core.studio.server import browser


class Pages:
    """Which visitor each open page belongs to; it changes as pages come and go."""

    def __init__(self) -> None:
        self.salt = token_hex()  # nobody guesses the folder of a client without a token
        self.visitors: dict[str, str] = {}

    def arrive(self, page: str, token: object) -> None:
        """A page is open, or about to be: it is of the visitor whose token its browser keeps."""
        if not browser.valid(token):
            return
        visitor = browser.visitor_of(str(token))
        coming = [p for p, v in list(self.visitors.items()) if v == visitor and is_coming(p)]
        if coming and not is_coming(page):
            self.leave(coming[0])  # This is the page that was about to be.
        self.visitors[page] = visitor

    def leave(self, page: str | None) -> None:
        """A page was closed."""
        self.visitors.pop(page or "", None)

    def visitor(self, page: str | None) -> str:
        """The name of a visitor's folder: of the page's browser, or of the client's random id."""
        if page in self.visitors:
            return self.visitors[page]
        return hashlib.sha256(f"{self.salt}/{page}".encode()).hexdigest()[:32]

    def present(self, visitor: str) -> bool:
        """Whether any page of the visitor is open."""
        return visitor in list(self.visitors.values())


def is_coming(page: str) -> bool:
    return page.startswith(browser.COMING)
