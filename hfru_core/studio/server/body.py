"""A request's body: how long it may be, how long it may take, and how much all hold together.

Bytes are counted as they come: what a client announces need not be true.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import gradio.route_utils
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from hfru_core.studio.server.refusal import Refusal

MOST_SENT = 2**20  # bytes of a request that is no upload
MOST_UPLOADED = 128 * 2**20  # bytes of an upload: 64 pictures and their frame
MOST_FILES = 64  # of an upload
MOST_HELD = 64 * 2**20  # bytes of all bodies that are in memory at once
MOST_OPEN = 1000  # requests at once; a page has two that stay open
MOST_DRAINED = 16 * 2**20  # bytes that are taken from a request that is refused
SECONDS_TO_SEND, SECONDS_TO_UPLOAD, SECONDS_TO_DRAIN = 60.0, 300.0, 5.0


class UploadParser(gradio.route_utils.GradioMultiPartParser):
    """Gradio's parser, which takes 1,000 files of an upload, and fields as well: into memory."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **{**more, "max_files": MOST_FILES, "max_fields": 0})  # type: ignore[arg-type]  # as it is called


@dataclass
class Incoming:
    """What a client sends; `more` says whether its body goes on."""

    receive: Receive
    more: bool = True

    async def __call__(self) -> Message:
        message = await self.receive()
        self.more = message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Take what is still being sent, within bounds: who is cut off never sees the reply."""
        taken = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_TO_DRAIN):
                while self.more and taken < MOST_DRAINED:
                    taken += len((await self()).get("body", b""))


@dataclass
class Load:
    """What all requests hold at the moment."""

    requests: int = 0
    bytes: int = 0

    @contextmanager
    def one_more(self) -> Iterator[Body]:
        """A request while it is handled; raises `Refusal` where there are too many."""
        if self.requests >= MOST_OPEN:
            raise Refusal(429, "Too many requests are open: try again later.")
        body = Body(self)
        self.requests += 1
        try:
            yield body
        finally:
            self.requests -= 1
            self.bytes -= len(body.content)


@dataclass
class Body:
    """The body of one request; `content` counts among what is held."""

    load: Load
    content: bytearray = field(default_factory=bytearray)

    async def read(self, incoming: Incoming) -> None:
        """Take the whole of it; raises `Refusal`."""
        try:
            async with asyncio.timeout(SECONDS_TO_SEND):
                while self.add(await incoming()):
                    pass
        except TimeoutError:
            raise Refusal(408, f"A request may take {SECONDS_TO_SEND:.0f} s to send.") from None

    def add(self, message: Message) -> bool:
        """Whether there is more to come."""
        part = message.get("body", b"")
        check_size(len(self.content) + len(part), MOST_SENT)
        if self.load.bytes + len(part) > MOST_HELD:
            raise Refusal(429, "Too much is being sent to this server: try again later.")
        self.load.bytes += len(part)
        self.content += part
        return message.get("more_body", False)

    def again(self, receive: Receive) -> Receive:
        """A body to be read once more, then what comes after it."""
        whole = {"type": "http.request", "body": bytes(self.content), "more_body": False}
        first = iter([whole])

        async def replay() -> Message:
            return next(first, None) or await receive()

        return replay


@dataclass
class Upload:
    """What an upload sends, counted on its way to Gradio; `refused` tells how it was cut off."""

    incoming: Incoming
    ends: float
    size: int = 0
    refused: Refusal | None = None

    async def __call__(self) -> Message:
        if not self.incoming.more:
            return await self.incoming()
        try:
            return await self.counted()
        except Refusal as refused:
            self.refused = refused
            raise

    async def counted(self) -> Message:
        try:
            async with asyncio.timeout_at(self.ends):
                message = await self.incoming()
        except TimeoutError:
            raise Refusal(408, f"An upload may take {SECONDS_TO_UPLOAD:.0f} s.") from None
        if message["type"] == "http.disconnect":
            raise Refusal(400, "The upload broke off.")
        self.size += len(message.get("body", b""))
        check_size(self.size, MOST_UPLOADED)
        return message


def upload(incoming: Incoming) -> Upload:
    """An upload that begins now."""
    return Upload(incoming, asyncio.get_running_loop().time() + SECONDS_TO_UPLOAD)


def check_size(size: int, most: int) -> None:
    if size > most:
        raise Refusal(413, f"The request is too large: at most {most} bytes are taken.")


def check_length(scope: Scope, most: int) -> None:
    """Refuse a body that is longer than `most`, or that does not say, or says twice, its length."""
    headers = Headers(scope=scope)
    announced = headers.getlist("content-length")
    if "transfer-encoding" in headers and announced:
        raise Refusal(400, "The request has two lengths.")
    if "transfer-encoding" in headers or (scope["method"] == "POST" and not announced):
        raise Refusal(411, "The length of the request is missing.")
    for length in announced:
        if not (length.isascii() and length.isdigit()):
            raise Refusal(400, "The length of the request is no number.")
        check_size(int(length[:20]), most)
