"""Requests byte by byte: clients of HTTP would mend, or refuse to send, what these tests send."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit


def raw(url: str, *parts: bytes | Iterable[bytes]) -> str:
    """What a server says to these bytes before it hangs up or is silent for 10 s."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as line:
        with suppress(OSError):  # It may have refused already.
            for part in parts:
                for piece in [part] if isinstance(part, bytes) else part:
                    line.sendall(piece)
        said = b""
        with suppress(OSError):
            while b"\r\n\r\n" not in said or not whole(said):
                more = line.recv(65536)
                if not more:
                    break
                said += more
        return said.decode("latin-1")


def whole(said: bytes) -> bool:
    """Whether a reply has come to its end."""
    head, _, body = said.partition(b"\r\n\r\n")
    length = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
    return bool(length) and len(body) >= int(length[0].split(b":")[1])


def request(method: str, path: str, *headers: str, version: str = "1.1") -> bytes:
    """The head of a request."""
    return "\r\n".join((f"{method} {path} HTTP/{version}", *headers, "", "")).encode("latin-1")


def status(said: str) -> int:
    return int(said.split(" ")[1])
