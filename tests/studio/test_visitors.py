"""Whose files are whose: a browser finds its own again, after a reload and after a restart."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import gradio as gr
import pytest

from hfru_core.paths import ASSETS
from hfru_core.studio.server import browser
from hfru_core.studio.sessions import finished, pages, running
from hfru_core.studio.sessions.background import Watched
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.runner import Report, Run
from hfru_core.studio.sessions.running import Sessions
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs import unlearn
from hfru_core.studio.tabs.compare import Compare
from hfru_core.types import UserError

ANN, BOB = "a" * 32, "b" * 32


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(data_folder=tmp_path)


@pytest.fixture
def sessions(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setattr(pages, "GRACE", 0.5)
    monkeypatch.setattr(pages, "EVERY", 0.02)
    return Sessions(studio)


def under_way(sessions: Sessions, visitor: str) -> Run:
    """A session that never ends by itself."""

    def steps(studio, run, wish, folder):
        while not run.stopped:
            yield Report("step")
            time.sleep(0.02)

    sessions.follow = steps
    run = sessions.register(visitor, Wish(("dog",)))
    sessions.start(visitor)
    return run


def soon(true, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


def test_runs_survive_a_restart_for_their_browser_alone(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.pages.arrive("page 1", ANN)
    visitor = studio.visitor("page 1")
    shutil.copytree(ASSETS / "adapters" / "dog", studio.folder(visitor) / "runs" / "no-dog")
    (studio.folder(visitor) / "picture.png").write_text("a face")
    studio.discard(visitor)
    assert (studio.folder(visitor) / "picture.png").exists()  # its page is still open
    monkeypatch.setattr(pages, "AWAY", 0.0)
    studio.discard(visitor)
    assert not (studio.folder(visitor) / "picture.png").exists()
    again = Studio(data_folder=tmp_path)
    again.pages.arrive("page 2", ANN)
    again.pages.arrive("page 3", BOB)
    mine, other = (finished.labels(again, again.visitor(p)) for p in ("page 2", "page 3"))
    assert ("Without dog (yours)", "mine/no-dog") in mine and len(other) == len(mine) - 1


@pytest.mark.parametrize("token", ["", None, "../" * 11, "A" * 32, 7, ["a"]])
def test_what_is_no_token_makes_nobody_a_visitor(studio: Studio, token: object) -> None:
    studio.pages.arrive("page", token)
    assert not studio.pages.visitors


def test_a_finished_session_has_its_curves_and_rates_again() -> None:
    report = finished.report_of(ASSETS / "adapters" / "dog")
    assert report.events[-1].step == report.config.steps == 100
    assert any(e.rewards for e in report.events) and report.after.forget.rate > 0.9
    with pytest.raises(UserError, match="cannot be read"):
        finished.report_of(ASSETS / "model")


def test_a_reload_keeps_the_session_and_a_closed_page_ends_it(sessions: Sessions) -> None:
    there = sessions.studio.pages
    there.arrive("page 1", ANN)
    visitor = sessions.studio.visitor("page 1")
    with there.line("page 1"):
        run = under_way(sessions, visitor)
    time.sleep(0.3)
    there.come_back(ANN)  # the reloaded page begins to load
    time.sleep(0.3)
    there.arrive("page 2", ANN)
    with there.line("page 2"):
        time.sleep(0.7)
        assert not run.stopped and sessions.runs[visitor] is run
    assert soon(lambda: run.left) and soon(lambda: not sessions.runs)


def test_a_page_that_never_comes_back_does_not_hold_the_device(sessions: Sessions) -> None:
    sessions.studio.pages.arrive("page 1", ANN)
    run = under_way(sessions, sessions.studio.visitor("page 1"))
    sessions.studio.pages.come_back(ANN)
    assert soon(lambda: run.left)


def test_the_same_page_is_its_visitors_after_a_lost_line(sessions: Sessions) -> None:
    there = sessions.studio.pages
    there.arrive("page 1", ANN)
    with there.line("page 1"):
        run = under_way(sessions, there.visitor("page 1"))
    time.sleep(0.2)
    with there.line("page 1"):
        time.sleep(0.8)
        assert not run.stopped
    assert soon(lambda: run.left)
    assert there.visitor("page 1") == browser.visitor_of(ANN)


def test_many_pages_are_not_remembered_and_take_no_threads(sessions: Sessions) -> None:
    there, before = sessions.studio.pages, threading.active_count()
    with there.line("held"):
        there.arrive("held", ANN)
        for i in range(2 * pages.MOST):
            there.come_back(f"{i:032x}")
            there.arrive(f"page {i}", f"{i:032x}")
        assert there.visitor("held") == browser.visitor_of(ANN)
    assert len(there.visitors) == pages.MOST + 1 and len(there.seen) <= pages.MOST + 1
    assert threading.active_count() <= before + 1  # the one that sweeps


def test_sessions_that_wait_are_bounded(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PLACES", 3)
    for i in range(3):
        sessions.register(str(i), Wish(("dog",)))
    with pytest.raises(UserError, match="3 sessions wait already"):
        sessions.register("one more", Wish(("dog",)))
    assert soon(lambda: not sessions.runs)  # nobody has a line open


def test_a_session_left_while_it_waits_gives_its_place_up(sessions: Sessions) -> None:
    device = sessions.studio.device
    with device:
        run = sessions.register("ann", Wish(("dog",)))
        watched = sessions.start("ann")
        assert watched.over.wait(10) and run.left and watched.report is None
    assert not device.locked()


def test_another_page_watches_and_an_error_is_told() -> None:
    def failing():
        yield Report("step")
        raise UserError("no room")

    device = threading.Lock()
    with device:
        watched = Watched(device, failing())
        time.sleep(0.05)
        assert watched.report is None  # it waits for the device
    assert [r.title for r in watched.reports() if r] == ["step"]
    assert watched.over.wait(5) and watched.error == "no room"
    assert not device.locked()


def test_the_opening_page_offers_three_ways_on(studio: Studio) -> None:
    with gr.Blocks():
        assert len(Compare(studio).leads) == len(unlearn.LEADS) == 3
