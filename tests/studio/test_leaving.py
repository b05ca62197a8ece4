"""One session at a time, a place in the queue that is told, and a tab that is closed: the device
is free within seconds. With the app on loopback, and visitors on its queue as pages are."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from hfru_core.studio.app import build_app, launch
from hfru_core.studio.sessions import audit_run
from hfru_core.studio.sessions.bench_run import Wish
from tests.core.test_faults import FEW, SHORT, SMALL
from tests.measure.visitors import Visitor, config_of

PATIENCE = 120  # seconds, on a busy machine, until something begins
SOON = 5.0
HANGING = [sys.executable, "-c", "import time; time.sleep(300)"]
START = {"unlearn": "start", "audit": "audit-start", "bench": "bench-start"}


@pytest.fixture(scope="module")
def url(tiny_folder: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    page = build_app(
        tiny_folder,
        tmp_path_factory.mktemp("leaving"),
        adapters=trained.parent,
        amount=SMALL,
        checked=FEW,
        settings=SHORT,
    )
    _, address, _ = launch(page, "127.0.0.1", None, prevent_thread_lock=True, quiet=True)
    yield address.rstrip("/")
    page.close()


@pytest.fixture(autouse=True)
def hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audits and benchmarks that never say a word."""
    monkeypatch.setattr(audit_run, "command", lambda *a: HANGING)
    monkeypatch.setattr(Wish, "process", lambda self, out: HANGING)


def form(kind: str, adapter: str, steps: int = 400) -> list:
    return {
        "unlearn": [["dog"], [], "default", 0, steps, "encoder", "", "object", None, "", "", ""],
        "audit": [adapter],
        "bench": [["npo"], "dog", 0, 0],
    }[kind]


async def started(visitor: Visitor, kind: str, adapter: str) -> asyncio.Queue:
    """Press the button; the messages of what follows."""
    await visitor.arrive()
    if kind == "audit":  # What a page may choose is known once it was offered to it.
        await visitor.do(visitor.event(None, "load", fills="audit-adapter"))
    event = visitor.event(START[kind], "click")
    values = form(kind, adapter)[: len(event["inputs"])]
    told = await visitor.do(event, *values)
    assert not told.error, told.error
    follows = visitor.after(event)
    heard: asyncio.Queue = asyncio.Queue()
    again = [adapter, "standard"] if kind == "audit" else values
    data = again[: len(follows["inputs"])]

    async def hear() -> None:
        async for message in visitor.messages(follows, *data):
            heard.put_nowait((time.monotonic(), message))

    visitor.hearing = asyncio.create_task(hear())
    return heard


async def heard_of(heard: asyncio.Queue, kind: str, word: str = "") -> tuple[float, dict]:
    """The next message of a kind that holds a word."""
    while True:
        when, message = await asyncio.wait_for(heard.get(), PATIENCE)
        if message["msg"] == kind and word in json.dumps(message, ensure_ascii=False):
            return when, message


async def gone(visitor: Visitor) -> float:
    """Close the tab: both lines that the page holds open."""
    visitor.hearing.cancel()
    await asyncio.gather(visitor.hearing, return_exceptions=True)
    await visitor.leave()
    return time.monotonic()


BUSY = {"unlearn": "step ", "audit": "Loading", "bench": "Starting"}


async def one_leaves_the_next_begins(url: str, kind: str, adapter: str) -> tuple[int, float]:
    """The second one's place while the first is busy; seconds from leaving to its beginning."""
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        config = await config_of(url, client)
        ann, bob = Visitor(url, client, config), Visitor(url, client, config)
        await heard_of(await started(ann, kind, adapter), "process_generating", BUSY[kind])
        waiting = await started(bob, kind, adapter)
        _, told = await heard_of(waiting, "estimation")
        await asyncio.sleep(0.5)
        assert waiting.empty() or waiting.get_nowait()[1]["msg"] != "process_starts"
        left = await gone(ann)
        began, _ = await heard_of(waiting, "process_starts")
        await gone(bob)
        return told["rank"], began - left


@pytest.mark.parametrize("kind", ["unlearn", "audit", "bench"])
def test_a_visitor_who_goes_away_frees_the_device(url: str, kind: str, trained: Path) -> None:
    adapter = f"shipped/{trained.name}"
    with ThreadPoolExecutor(1) as alone:  # Playwright leaves a loop running in this thread.
        visit = one_leaves_the_next_begins(url, kind, adapter)
        rank, seconds = alone.submit(asyncio.run, visit).result()
    assert rank == 0, "the next in the queue"
    assert seconds < SOON
