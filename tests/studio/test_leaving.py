"""One session at a time, a place in the queue that is told, and lines that are lost: what nobody
watches ends after a while, and whoever is back in time finds it going on. With the app on loopback,
and visitors on its queue as pages are; a minute lasts two seconds here."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from hfru_core.studio.app import Page, build_app, launch
from hfru_core.studio.server import browser
from hfru_core.studio.sessions import audit_run, background, pages, running
from hfru_core.studio.sessions.bench_run import Wish
from tests.core.test_faults import FEW, SHORT, SMALL
from tests.measure.visitors import Visitor, config_of

GRACE = 2.0  # seconds, instead of a minute
PATIENCE = 120  # seconds, on a busy machine, until something begins
QUICK = {**SHORT, "augment_to": 0}
SOON = GRACE + 5.0
HANGING = [sys.executable, "-c", "import time; time.sleep(300)"]
START = {"unlearn": "start", "audit": "audit-start", "bench": "bench-start"}
STATE = {"unlearn": "status", "audit": "audit-status", "bench": "bench-status"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leaving")


@pytest.fixture(scope="module")
def app(tiny_folder: Path, trained: Path, folder: Path) -> Iterator[Page]:
    page = build_app(
        tiny_folder, folder, adapters=trained.parent, amount=SMALL, checked=FEW, settings=QUICK
    )
    launch(page, "127.0.0.1", None, prevent_thread_lock=True, quiet=True)
    yield page
    page.close()


@pytest.fixture
def url(app: Page) -> str:
    return app.local_url.rstrip("/")


@pytest.fixture(autouse=True)
def hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audits and benchmarks that never say a word, and a short minute."""
    monkeypatch.setattr(pages, "GRACE", GRACE)
    monkeypatch.setattr(pages, "EVERY", 0.1)
    monkeypatch.setattr(audit_run, "command", lambda *a: HANGING)
    monkeypatch.setattr(Wish, "process", lambda self, out: HANGING)


def form(kind: str, adapter: str, steps: int = 400) -> list:
    return {
        "unlearn": [["dog"], [], "default", 0, steps, "encoder", "", "object", None, "", "", ""],
        "audit": [adapter, "standard"],
        "bench": [["npo"], "dog", 0, 0],
    }[kind]


async def started(visitor: Visitor, kind: str, adapter: str, arrives: bool = True) -> asyncio.Queue:
    """Press the button; the messages of what follows."""
    if arrives:
        await visitor.arrive()
    if kind == "audit":  # What a page may choose is known once it was offered to it.
        await visitor.do(visitor.event(None, "load", fills="audit-adapter"))
    event = visitor.event(START[kind], "click")
    values = form(kind, adapter)[: len(event["inputs"])]
    told = await visitor.do(event, *values)
    assert not told.error, told.error
    follows = visitor.after(event)
    heard: asyncio.Queue = asyncio.Queue()

    async def hear() -> None:
        async for message in visitor.messages(follows):
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


# Lines that are lost


def alone(visit) -> object:
    """Run it in a thread of its own: Playwright leaves a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, visit).result()


async def opened(visitor: Visitor, token: str) -> None:
    """What a page does while it loads, and when it has: it tells its browser's token."""
    await visitor.client.post(f"{visitor.base}/run/back", json={"data": [token]})
    await visitor.do(visitor.event(None, "load", fills="cards"), token)


def attaching(visitor: Visitor, kind: str = "unlearn") -> dict:
    """The event by which a page that has loaded watches what is under way of a kind."""
    load = visitor.event(None, "load", fills="cards")
    return next(
        e
        for e in visitor.events
        if e["trigger_after"] == load["id"]
        and {visitor.ids[START[kind]], visitor.ids[STATE[kind]]} <= set(e["outputs"])
    )


async def progress_of(visitor: Visitor, event: dict, data: tuple = ()) -> int:
    """The first step that is told."""
    async for message in visitor.messages(event, *data):
        found = re.search(r"step (\d+) of", json.dumps(message))
        if found:
            return int(found[1])
        assert message["msg"] != "process_completed", message
    raise AssertionError("no step was told")


async def cut_in_a_session(url: str, seconds: float) -> tuple[int, int | None, list]:
    """The step before a line is cut and the one after the page is back, which is loaded anew;
    None and what is offered to resume where the session is over by then."""
    token = secrets.token_hex(16)
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        config = await config_of(url, client)
        page = Visitor(url, client, config)
        await page.arrive()
        await opened(page, token)
        heard = await started(page, "unlearn", "", arrives=False)
        _, told = await heard_of(heard, "process_generating", "step ")
        before = int(re.search(r"step (\d+) of", json.dumps(told))[1])
        await gone(page)
        await asyncio.sleep(seconds)
        again = Visitor(url, client, config)
        await again.arrive()
        await opened(again, token)
        offer = next(
            e for e in config["dependencies"] if again.ids["cut-off"] in e["outputs"][1:]
            and e["trigger_after"] == again.event(None, "load", fills="cards")["id"]
        )  # fmt: skip
        row, choice = (await again.at_once(offer))["data"]
        choices = choice["choices"] if row["visible"] else []
        after = None if choices else await progress_of(again, attaching(again))
        await again.leave()
        return before, after, choices


def test_a_session_goes_on_while_its_line_is_lost(url: str) -> None:
    before, after, offered = alone(cut_in_a_session(url, GRACE / 2))
    assert after is not None and after > before and not offered


def test_a_session_whose_visitor_stays_away_can_be_resumed(url: str, folder: Path) -> None:
    before, after, offered = alone(cut_in_a_session(url, GRACE + 2))
    assert after is None and len(offered) == 1
    assert "dog, seed 0" in offered[0][0]
    kept = [p for p in folder.glob("sessions/*/runs/*.part/wish.json")]
    assert any(p.parent.name == offered[0][1] for p in kept)


async def cut_in_a_run(url: str, kind: str, adapter: str) -> tuple[str, str]:
    """What a page that comes back in time is told of a run, and what Stop says to it then."""
    token = secrets.token_hex(16)
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        config = await config_of(url, client)
        page = Visitor(url, client, config)
        await page.arrive()
        await opened(page, token)
        heard = await started(page, kind, adapter, arrives=False)
        await heard_of(heard, "process_generating", BUSY[kind])
        await gone(page)
        await asyncio.sleep(GRACE / 2)
        again = Visitor(url, client, config)
        await again.arrive()
        await opened(again, token)
        told = again.messages(attaching(again, kind))
        await asyncio.sleep(GRACE + 1)
        async for message in told:
            if BUSY[kind] in (seen := json.dumps(message)):
                break
        stopped = await again.at_once(again.event(f"{kind}-stop", "click"))
        await again.leave()
        return seen, json.dumps(stopped["data"])


@pytest.mark.parametrize("kind", ["audit", "bench"])
def test_a_run_goes_on_while_its_line_is_lost_and_stops_when_asked(
    url: str, kind: str, trained: Path
) -> None:
    seen, stopped = alone(cut_in_a_run(url, kind, f"shipped/{trained.name}"))
    assert BUSY[kind] in seen and "Stopped" in stopped


async def unread(url: str, beating: bool, patience: float) -> None:
    """Begin a session as a page does and drop the reading; the next one begins soon enough."""
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        config = await config_of(url, client)
        ann, bob = Visitor(url, client, config), Visitor(url, client, config)
        heard = await started(ann, "unlearn", "", arrives=beating)
        await heard_of(heard, "process_generating", "step ")
        ann.hearing.cancel()
        await asyncio.gather(ann.hearing, return_exceptions=True)
        waiting = await started(bob, "unlearn", "")
        try:
            await asyncio.wait_for(heard_of(waiting, "process_generating", "step "), patience)
        finally:
            await gone(bob)
            await ann.leave()


def test_a_session_that_nobody_reads_ends(url: str) -> None:
    alone(unread(url, beating=False, patience=3 * SOON))


def test_a_session_whose_page_is_there_does_not_end(url: str) -> None:
    with pytest.raises(asyncio.TimeoutError):
        alone(unread(url, beating=True, patience=2 * GRACE + 1))


async def page_without_a_session(url: str, seconds: float) -> tuple[str, str]:
    """The visitor of a page before its line is cut, and after; it is not loaded anew."""
    token = secrets.token_hex(16)
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        page = Visitor(url, client, await config_of(url, client))
        await page.arrive()
        await opened(page, token)
        await page.leave()
        await asyncio.sleep(seconds)
        return browser.visitor_of(token), page.session


def test_a_page_is_the_same_visitors_after_a_cut(url: str, app: Page) -> None:
    visitor, session = alone(page_without_a_session(url, GRACE + 1))
    assert app.line.__self__.visitor(session) == visitor


def test_requests_of_new_browsers_take_no_thread_each(url: str) -> None:
    before = threading.active_count()
    with httpx.Client() as client:
        for _ in range(200):
            data = {"data": [secrets.token_hex(16)]}
            assert client.post(f"{url}/gradio_api/run/back", json=data).is_success
    assert threading.active_count() < before + 45  # those of the server's own pool


def test_pages_that_watch_leave_room_for_all_other_events(url: str, app: Page) -> None:
    """Sessions, audits and benchmark runs: as many as may wait, each watched by all that may."""
    assert len(app._queue.active_jobs) >= 3 * running.PLACES * background.MOST + 40
