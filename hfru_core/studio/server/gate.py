"""What is checked before Gradio sees a request: size, addresses in it, and routes not in use.

Gradio fetches what a client gives by address, and would fetch from the public net for anybody.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hfru_core.studio.server.quota import check_all
from hfru_core.types import UserError

API = "/gradio_api"
MOST_SENT = 2**20  # bytes of a request that is no upload
MOST_UPLOADED = 128 * 2**20  # bytes of an upload: 64 pictures and their frame
MOST_DRAINED = 16 * 2**20  # bytes that are taken from a request that is refused
DEEPEST = 32  # lists and objects in each other
FETCHING = re.compile(r"/(?:file|proxy)=\s*[\w+.-]{2,}:")
ADDRESS = re.compile(r"\s*[\w+.-]{2,}:", re.A)  # one letter is a drive on Windows
NAMED = re.compile(rf".*{API}/(?:call|run)/(?!predict/?$)([^/]+)/?")
NONE: Mapping[int | str, int] = MappingProxyType({})
# Of Gradio's, for components and modes that this app has not.
CLOSED = re.compile(
    rf"{API}/(?:component_server|process_recording|deep_link|vibe-|dev/|profiling/|proxy=)|"
    "/monitoring"
)
# What is not JSON, or not for Gradio's events.
UNREAD = re.compile(rf"(?!.*{API}.*/login)(?:.*{API}/upload/?|.*{API}/mcp(?:/.*)?|.*/login/?)")


@dataclass
class Refusal(Exception):
    """A request that is not let through."""

    status: int
    reason: str


@dataclass
class Gate:
    """The middleware; `data_folder` is what uploads may fill, `events` tells how many values each
    event of the page takes, by its number and by the name that the API gives it."""

    app: ASGIApp
    data_folder: Path
    events: Mapping[int | str, int]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            receive = await self.checked(scope, receive)
        except Refusal as refused:
            reply = PlainTextResponse(refused.reason, refused.status)
            return await reply(scope, receive, send)
        await self.app(scope, receive, send)

    async def checked(self, scope: Scope, receive: Receive) -> Receive:
        """The same request to read again; raises `Refusal`."""
        try:
            self.admit(scope)
        except Refusal:
            await drain(receive)
            raise
        if scope["method"] != "POST" or UNREAD.fullmatch(scope["path"]):
            return receive
        body = await read(receive)
        named = NAMED.fullmatch(scope["path"])
        name = named[1] if named and named[1] in self.events else None
        check_body(body, self.data_folder / "cache", self.events, name)
        return again(body, receive)

    def admit(self, scope: Scope) -> None:
        """What can be seen before the body; raises `Refusal`."""
        path = scope["path"]
        if FETCHING.search(path) or CLOSED.search(path):
            raise Refusal(403, "This server does not do that.")
        if scope["method"] != "POST":
            return
        uploads = path.rstrip("/").endswith(f"{API}/upload")
        check_length(scope, MOST_UPLOADED if uploads else MOST_SENT)
        if uploads:
            check_disk(self.data_folder)


def check_length(scope: Scope, most: int) -> None:
    """Refuse what is longer than `most`, or does not say how long it is."""
    declared = dict(scope["headers"]).get(b"content-length", b"")
    if not declared.isdigit():
        raise Refusal(411, "The length of the request is missing.")
    if int(declared) > most:
        raise Refusal(413, f"The request is too large: at most {most} bytes are taken.")


def check_disk(data_folder: Path) -> None:
    try:
        check_all(data_folder)
    except UserError as error:
        raise Refusal(413, str(error)) from None


async def drain(receive: Receive) -> None:
    """Take what is still being sent, within bounds: who is cut off never sees the reply."""
    taken, more = 0, True
    while more and taken < MOST_DRAINED:
        message = await receive()
        taken += len(message.get("body", b""))
        more = message.get("more_body", False)


async def read(receive: Receive) -> bytes:
    """The whole body, whose length was checked; the server cuts off what is longer."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def again(body: bytes, receive: Receive) -> Receive:
    """A body to be read once more, then what comes after it."""
    first = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Message:
        return next(first, None) or await receive()

    return replay


def check_body(
    body: bytes, cache: Path, events: Mapping[int | str, int] = NONE, name: str | None = None
) -> None:
    """Refuse what is not JSON, too deep, for no event, or names a file that was not uploaded."""
    try:
        values = [(json.loads(body), 0)] if body else []
    except (ValueError, RecursionError):
        raise Refusal(400, "The request is not JSON.") from None
    if values and isinstance(asked := values[0][0], dict):
        for event in (asked.get("fn_index"), name):
            check_event(event, asked.get("data", ...), events)
    while values:
        value, depth = values.pop()
        if depth > DEEPEST:
            raise Refusal(400, f"The JSON is deeper than {DEEPEST} levels.")
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            check_path(value, cache)
        if isinstance(value, dict | list):
            inside = value.values() if isinstance(value, dict) else value
            values += [(v, depth + 1) for v in inside]


def check_event(event: object, data: object, events: Mapping[int | str, int]) -> None:
    """Refuse an event that is not there, or too few values for it; to cancel one takes none."""
    if not isinstance(event, int | str):
        return
    if event not in events:
        raise Refusal(400, "There is no such event.")
    if data is not ... and (not isinstance(data, list) or len(data) < events[event]):
        raise Refusal(400, f"data is a list of {events[event]} values for this event.")


def check_path(file: dict, cache: Path) -> None:
    """Refuse an address, and a file that does not lie where uploads and downloads do."""
    path = file["path"]
    if ADDRESS.match(path):
        raise Refusal(400, "Files are taken as uploads, not by address.")
    if "meta" in file and not Path(os.path.abspath(path)).is_relative_to(cache.absolute()):
        raise Refusal(400, "That file was not uploaded.")
