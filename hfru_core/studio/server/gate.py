"""What is checked before Gradio sees a request, in this order: who sends it, its route, its length,
then its body; and what is added to every reply.

Gradio answers any page, fetches addresses for anybody, and believes what a request says of itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hfru_core.studio.server import body, routes
from hfru_core.studio.server.accounts import Owners, Tokens
from hfru_core.studio.server.headers import with_policy
from hfru_core.studio.server.origin import Served, seen_as
from hfru_core.studio.server.quota import check_all
from hfru_core.studio.server.refusal import Refusal
from hfru_core.studio.server.values import Events, check_body
from hfru_core.types import UserError


@dataclass(frozen=True)
class Rules:
    """What the gate goes by: `data_folder` is what uploads may fill, `events` tells what values
    each event of the page takes, by its number and by the name that the API gives it."""

    data_folder: Path
    events: Events
    served: Served = Served()
    mcp: bool = False

    @property
    def cache(self) -> Path:
        return self.data_folder / "cache"


@dataclass
class Gate:
    """The app behind its checks."""

    app: ASGIApp
    rules: Rules
    tokens: Tokens = field(default_factory=Tokens)
    owners: Owners = field(default_factory=Owners)
    load: body.Load = field(default_factory=body.Load)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # there are none here
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        incoming = body.Incoming(receive)
        uploaded = body.upload(incoming)
        send = self.dressed(scope["path"], send, uploaded)
        try:
            with self.load.one_more() as taken:
                scope, receive = await self.checked(scope, uploaded, taken)
                await self.app(scope, receive, send)
        except Refusal as refused:
            await incoming.drain()
            await PlainTextResponse(refused.reason, refused.status)(scope, receive, send)

    async def checked(
        self, scope: Scope, uploaded: body.Upload, taken: body.Body
    ) -> tuple[Scope, Receive]:
        """The same request for Gradio; raises `Refusal`."""
        method, path = scope["method"], scope["path"]
        own = self.rules.served.own(scope)
        self.rules.served.check_sender(scope, own, routes.is_public(method, path))
        routes.check_route(method, path, self.rules.cache, self.rules.mcp)
        scope = seen_as(scope, own)
        user = self.tokens.user(Request(scope).cookies) if self.tokens else None
        if user:
            self.check_owner(user, routes.session_in(path, scope["query_string"]))
        if routes.is_upload(path):
            body.check_length(scope, body.MOST_UPLOADED)
            await check_disk(self.rules.data_folder)
            return scope, uploaded
        body.check_length(scope, body.MOST_SENT)
        if method != "POST":
            return scope, uploaded.incoming
        await taken.read(uploaded.incoming)
        if routes.is_json(path):
            asked = self.check_json(path, bytes(taken.content))
            self.check_owner(user, asked.get("session_hash") if isinstance(asked, dict) else None)
        if path.rstrip("/") == "/logout":  # Gradio's takes GET, which any page can have sent
            scope = {**scope, "method": "GET"}
        return scope, taken.again(uploaded.incoming)

    def check_json(self, path: str, content: bytes) -> object:
        name, numbered = routes.event_name(path), routes.is_numbered(path)
        return check_body(content, self.rules.cache, self.rules.events, name, numbered)

    def check_owner(self, user: str | None, session: object) -> None:
        if user and isinstance(session, str):
            self.owners.check(session, user)

    def dressed(self, path: str, send: Send, uploaded: body.Upload) -> Send:
        """Replies with their policy; Gradio calls every upload that was cut off a bad request."""

        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                framed_by = self.rules.served.framed_by
                message["headers"] = with_policy(message.get("headers", ()), path, framed_by)
                if uploaded.refused:
                    message["status"] = uploaded.refused.status
            await send(message)

        return dress


async def check_disk(data_folder: Path) -> None:
    """Refuse where there is no room; to measure it takes a walk through all files."""
    try:
        await asyncio.to_thread(check_all, data_folder)
    except UserError as error:
        raise Refusal(413, str(error)) from None


def behind(rules: Rules) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan that puts the gate before everything, also before middleware that Gradio adds."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.tokens = Tokens()
        app.middleware_stack = Gate(app.middleware_stack, rules, app.tokens)
        yield

    return lifespan
