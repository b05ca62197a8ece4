"""Which pages and clients are there: each of them holds a line open while it listens."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from hfru_core.studio.server.routes import API, is_listening, session_in

CALLING = re.compile(rf".*{API}/call/(?:v2/)?[^/]+/([^/]+)/?")


@dataclass
class Presence:
    """The middleware; `line` is entered with a page's name while that page listens, `page_of`
    tells the page of an event's id."""

    app: ASGIApp
    line: Callable[[str], AbstractContextManager[None]]
    page_of: Callable[[str], str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = self.listening(scope)
        if page is None:
            return await self.app(scope, receive, send)
        with self.line(page):
            await self.app(scope, receive, send)

    def listening(self, scope: Scope) -> str | None:
        """The page that a request is a line of, None for other requests."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        if found := CALLING.fullmatch(scope["path"]):
            return self.page_of(found[1])
        if is_listening(scope["path"]):
            return session_in(scope["path"], scope["query_string"])
        return None
