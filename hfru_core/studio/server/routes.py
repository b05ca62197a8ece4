"""Which of Gradio's routes are open; all others are for components and modes that this app has not.

Some of them would fetch addresses for anybody, hand out login tokens, or save what is sent.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qs

from hfru_core.studio.server.refusal import Refusal

API = "/gradio_api"
PUBLIC = re.compile(  # the same for all, and nothing happens
    r"/|/(?:static|assets|svelte)/.+|/(?:theme\.css|favicon\.ico|robots\.txt|manifest\.json)|"
    rf"{API}/theme\.css"
)
READ = re.compile(
    rf"/config/?|{API}/(?:info/?|app_id/?|startup-events|queue/data|upload_progress|"
    r"heartbeat/[^/]+|call/[^/]+/[^/]+|file=.+)",
    re.S,
)
NUMBERED = re.compile(rf"{API}/(?:run|api)/predict/?")  # the body tells the event's number
NAMED = re.compile(rf"{API}/(?:run|api|call)/([^/]+)/?")
SENT = re.compile(rf"/log(?:in|out)/?|{API}/(?:upload/?|queue/join|cancel|reset/?)")
MCP = re.compile(rf"{API}/mcp(?:/.*)?")
HEARTBEAT = re.compile(rf"{API}/heartbeat/([^/]+)/?")
MESSAGES = re.compile(rf"{API}/queue/data/?")
FILE = f"{API}/file="


def check_route(method: str, path: str, cache: Path, mcp: bool) -> None:
    """Refuse a route that is closed, and a file that does not lie in `cache`."""
    if mcp and MCP.fullmatch(path) and method in ("GET", "POST", "DELETE"):
        return
    reads = method in ("GET", "HEAD") and (PUBLIC.fullmatch(path) or READ.fullmatch(path))
    sends = method == "POST" and (NAMED.fullmatch(path) or SENT.fullmatch(path))
    if not reads and not sends:
        raise Refusal(403, "This server does not do that.")
    if path.startswith(FILE) and not in_cache(path.removeprefix(FILE), cache):
        raise Refusal(403, "This server does not do that.")


def in_cache(path: str, cache: Path) -> bool:
    """Whether this is the absolute path of something in the cache, which may not be there."""
    return os.path.isabs(path) and Path(os.path.abspath(path)).is_relative_to(cache)


def is_public(method: str, path: str) -> bool:
    return method in ("GET", "HEAD") and PUBLIC.fullmatch(path) is not None


def is_upload(path: str) -> bool:
    return path.rstrip("/") == f"{API}/upload"


def is_json(path: str) -> bool:
    return not is_upload(path) and path.rstrip("/") not in ("/login", "/logout")


def is_numbered(path: str) -> bool:
    """Whether the body must tell the number of an event."""
    return NUMBERED.fullmatch(path) is not None


def event_name(path: str) -> str | None:
    """The event that a path names."""
    named = NAMED.fullmatch(path)
    return None if named is None or is_numbered(path) else named[1]


def is_listening(path: str) -> bool:
    """Whether a page that reads this path is there."""
    return bool(HEARTBEAT.fullmatch(path) or MESSAGES.fullmatch(path))


def session_in(path: str, query: bytes) -> str | None:
    """The session's name in an address: of a heartbeat, or of the messages to a page."""
    if found := HEARTBEAT.fullmatch(path):
        return found[1]
    named = parse_qs(query.decode("latin-1")).get("session_hash", [])
    return named[-1] if named else None
