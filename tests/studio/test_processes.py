"""Audits and bench runs whose line is lost: they go on for a while, and whoever is back sees them;
what nobody watches ends and leaves nothing. A minute lasts half a second here."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from hfru_core.studio.sessions import audit_run, pages, reports
from hfru_core.studio.sessions.bench_run import Wish, rows_of
from hfru_core.studio.sessions.processes import Processes
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.audit import Audit
from hfru_core.studio.tabs.benchmark import Benchmark
from hfru_core.studio.tabs.start_stop import StartStop
from hfru_core.types import UserError
from tests.bench.test_table import raw

ANN = "a" * 32
TOLD = {"audits": ["behavior", "probes"]}
# Begins a report, waits until it may go on, puts the report in place.
AUDIT = """
import json, os, sys, time
out, told = sys.argv[1:]
os.makedirs(out + ".x.part/report"); print(told, flush=True)
while not os.path.exists(out + ".go"): time.sleep(0.02)
open(out + ".x.part/report/report.json", "w").write("{}")
os.rename(out + ".x.part/report", out)
"""
ROWS = f"""
import time
print({json.dumps({"row": "npo", "of": 2, "stage": "audit"})!r}, flush=True)
print({json.dumps({"finished": raw(task="dog")})!r}, flush=True)
time.sleep(300)
"""


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    def command(model: Path, folder: Path, depth: str, out: Path, *more: object) -> list[str]:
        return [sys.executable, "-c", AUDIT, str(out), json.dumps(TOLD)]

    monkeypatch.setattr(pages, "GRACE", 0.5)
    monkeypatch.setattr(pages, "EVERY", 0.02)
    monkeypatch.setattr(reports, "REPORTS", tmp_path / "none")
    monkeypatch.setattr(audit_run, "command", command)
    monkeypatch.setattr(Wish, "process", lambda *a: [sys.executable, "-c", ROWS])
    return Studio(data_folder=tmp_path)


@pytest.fixture
def audit(studio: Studio) -> Iterator[Audit]:
    with gr.Blocks():
        tab = Audit(studio)
    yield tab
    for visitor in list(tab.form.audits.by_visitor):
        tab.form.audits.stop(visitor)


def page(studio: Studio, name: str) -> SimpleNamespace:
    """A page of Ann's, whose line is open until `cut`."""
    studio.pages.arrive(name, ANN)
    line = studio.pages.line(name)
    line.__enter__()
    return SimpleNamespace(session_hash=name, cut=lambda: line.__exit__(None, None, None))


def shown(run: StartStop, word: str, **asked: object) -> list:
    """The first that a page is shown with a word; then it stops looking."""
    return next(s for s in run.attach(**asked) if word in str(s[0]))


def soon(true, seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


def begun(audit: Audit, first: SimpleNamespace) -> Path:
    """An audit that the first page has seen at work; the folder of the visitor's audits."""
    audit.form.begin("shipped/dog", "standard", first)
    seen = audit.form.run.run(first)
    next(s for s in seen if "behavior" in s[0])
    seen.close()
    return audit.studio.folder(audit.studio.visitor(first.session_hash)) / "audits"


def test_many_reloads_while_an_audit_waits_hold_few_places(audit: Audit) -> None:
    run, first = audit.form.run, page(audit.studio, "first")
    with audit.studio.device:  # somebody else's session
        audit.form.begin("shipped/dog", "standard", first)
        seen = [run.attach(first) for _ in range(5)]
        for page_of_ann in seen:  # each is told something at once, so one that has gone is noticed
            assert len([next(page_of_ann) for _ in range(2)]) == 2
        ended = [len(list(islice(page_of_ann, 2))) < 2 for page_of_ann in seen]
        assert ended == [True, True, False, False, False]
        for page_of_ann in seen:
            page_of_ann.close()
        audit.form.audits.stop(audit.studio.visitor(first.session_hash))


def test_a_page_that_comes_back_sees_the_audit_again_and_its_report(audit: Audit) -> None:
    first = page(audit.studio, "first")
    audits = begun(audit, first)
    first.cut()
    time.sleep(0.25)
    again = page(audit.studio, "again")
    time.sleep(0.75)  # longer than the time that a lost line has
    state = shown(audit.form.run, "Audit: behavior", request=again)
    assert [b.interactive for b in state[2:]] == [False, True]
    (audits / "dog-standard.go").touch()
    *_, done, idle = audit.form.run.attach(again)
    assert "Done" in done[0] and audit.choose(done[1], again).value == "mine/dog-standard"
    assert [b.interactive for b in idle[2:]] == [True, False]
    assert not list(audits.glob("*.part"))


def test_an_audit_that_ended_meanwhile_is_told_to_who_comes_back(audit: Audit) -> None:
    first = page(audit.studio, "first")
    audits = begun(audit, first)
    first.cut()
    (audits / "dog-standard.go").touch()
    assert soon((audits / "dog-standard" / "report.json").exists)
    again = page(audit.studio, "again")
    assert shown(audit.form.run, "Done", request=again)[1] == "mine/dog-standard"
    assert soon(lambda: not audit.form.audits.busy(audit.studio.visitor("again")))


def test_an_end_that_was_told_to_a_lost_line_is_told_again(audit: Audit) -> None:
    first = page(audit.studio, "first")
    (begun(audit, first) / "dog-standard.go").touch()
    assert any("Done" in s[0] for s in audit.form.run.run(first))
    first.cut()
    again = page(audit.studio, "again")
    assert shown(audit.form.run, "Done", request=again)[1] == "mine/dog-standard"
    again.cut()
    assert soon(lambda: not audit.form.audits.by_visitor), "and is forgotten with its visitor"


def test_stop_works_from_the_page_that_came_back(audit: Audit) -> None:
    first = page(audit.studio, "first")
    audits = begun(audit, first)
    first.cut()
    again = page(audit.studio, "again")
    (process,) = audit.form.audits.by_visitor.values()
    state = audit.form.run.halt(again)
    assert "Stopped" in state[0] and [b.interactive for b in state[1:]] == [True, False]
    assert process.watched.over.wait(5) and process.child.code < 0
    assert not list(audits.iterdir()) and not audit.form.audits.by_visitor


def test_an_audit_that_nobody_watches_ends_and_leaves_nothing(audit: Audit) -> None:
    first = page(audit.studio, "first")
    audits = begun(audit, first)
    (process,) = audit.form.audits.by_visitor.values()
    assert list(audits.glob("*.part"))
    first.cut()
    assert process.watched.over.wait(10) and process.child.code < 0
    assert soon(lambda: not audit.form.audits.by_visitor)
    assert not list(audits.iterdir()) and not audit.studio.device.locked()


def test_rows_are_kept_while_the_line_is_lost(studio: Studio, tmp_path: Path) -> None:
    with gr.Blocks():
        tab = Benchmark(studio, tmp_path / "bench.json").runs
    first = page(studio, "first")
    tab.begin(first, ["npo"], "dog", 0, 2)
    next(tab.run.run(first))  # a page that saw it begin, and no more
    first.cut()
    folder = studio.folder(studio.visitor("first"))
    assert soon(lambda: rows_of(folder))
    again = page(studio, "again")
    assert shown(tab.run, "1 of 2 done", request=again)[1] == 1
    again.cut()
    assert soon(lambda: not tab.benches.by_visitor) and soon(lambda: not studio.device.locked())
    assert not list(folder.glob("bench-*")) and len(rows_of(folder)) == 1


def test_one_that_waited_begins_for_the_page_that_came_back(audit: Audit) -> None:
    first = page(audit.studio, "first")
    audit.form.begin("shipped/dog", "standard", first)  # and its place in the queue is lost
    first.cut()
    shown(audit.form.run, "Audit: behavior", request=page(audit.studio, "again"))


def test_one_that_the_queue_refused_makes_room_for_another(audit: Audit) -> None:
    first = page(audit.studio, "first")
    audit.form.begin("shipped/dog", "standard", first)
    assert [b.interactive for b in audit.form.run.failed(first)] == [True, False]
    begun(audit, first)
    assert [b.interactive for b in audit.form.run.failed(first)] == [False, True], "it goes on"


def test_those_that_wait_are_bounded(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfru_core.studio.sessions.processes.PLACES", 2)
    waiting: Processes = Processes(studio, "busy")
    for visitor in "ab":
        waiting.register(visitor, lambda child: iter(()))
    with pytest.raises(UserError, match="2 of these wait already"):
        waiting.register("c", lambda child: iter(()))
    assert soon(lambda: not waiting.by_visitor), "nobody has a line open"


def test_what_a_killed_server_left_of_them_goes(studio: Studio) -> None:
    home = studio.folder("ann")
    for name in ("audits/dog.1234.part", "audits/dog", "bench-1234/runs"):
        (home / name).mkdir(parents=True)
    shutil.copy(__file__, home / "bench.json")
    studio.tidy_start()
    assert {p.name for p in home.iterdir()} == {"audits", "bench.json"}
    assert [p.name for p in (home / "audits").iterdir()] == ["dog"]
