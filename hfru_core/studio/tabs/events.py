"""Settings that events share: the queue they wait in, who may call them, what shows meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradio.events import Dependency

Settings = dict[str, Any]

QUIET: Settings = {"show_progress": "hidden"}
PRIVATE: Settings = {"api_visibility": "private", **QUIET}
# Queued without a limit: an event outside the queue can't say why it failed.
AT_ONCE: Settings = {"concurrency_limit": None, **PRIVATE}
ANSWERING: Settings = {
    "concurrency_id": "answers", "concurrency_limit": 2, "api_visibility": "private",
}  # fmt: skip
WORKING: Settings = {
    "concurrency_id": "adapters", "concurrency_limit": 2, "api_visibility": "private",
}  # fmt: skip
# Sessions, audits and benchmark runs wait in one queue, one at a time.
DEVICE: Settings = {
    "concurrency_id": "device", "concurrency_limit": 1, "api_visibility": "private",
}  # fmt: skip


def always(event: Dependency, handler: Callable[..., Any], *parts: Any, **settings: Any) -> None:
    """What follows on an event, also on one that failed: for those the page has no `then`."""
    for follow in (event.then, event.failure):
        follow(handler, *parts, **settings)
