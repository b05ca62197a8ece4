"""The Audit tab's process and reports: followed, stopped at once, and nobody sees another's."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from hfru_core.child_process import Child
from hfru_core.paths import ASSETS
from hfru_core.studio.sessions import audit_run, reports
from hfru_core.studio.sessions.audit_run import Progress, listen
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.audit import Audit
from hfru_core.studio.tabs.audit_reports import label

TICKS = [
    {"audits": ["behavior", "probes"]},
    {"audit": "behavior", "done": 0, "of": 2, "finding": None},
    {"audit": "behavior", "done": 0, "of": 2, "finding": "named"},
    {"audit": "probes", "done": 1, "of": 2, "finding": None},
]


def followed(child: Child, command: list[str]) -> Iterator[str]:
    return (progress.html() for progress in listen(child, command))


def script(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(("import sys, time", *lines))]


TELLING = script(*(f"print({json.dumps(t)!r}, flush=True)" for t in TICKS))


@pytest.fixture
def panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """The tab with the shipped adapters and no finished report."""
    monkeypatch.setattr(reports, "REPORTS", tmp_path / "shipped")
    with gr.Blocks():
        return Audit(Studio(data_folder=tmp_path))


def asker(name: str) -> SimpleNamespace:
    return SimpleNamespace(session_hash=name)


def test_progress_counts_audits_and_findings() -> None:
    progress = Progress()
    for tick in TICKS:
        progress = progress.after(tick)
    assert (progress.done, progress.findings) == (1, 1)
    assert "Audit: probes" in progress.html() and "width:57.9%" in progress.html()
    assert "1 findings" in progress.html()


def test_the_time_that_is_left_is_told_once_the_pace_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Checks that take as long as they usually do: what is told is what is left."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(audit_run, "time", clock)
    names = ["weights", "behavior", "probes", "lens"]
    ends = [1, 56, 96, 133]
    progress = Progress(began=0.0).after({"audits": names})
    assert "left" not in progress.title_and_detail()[1]
    for now[0] in range(1, 133):
        progress = progress.after({"done": sum(now[0] >= e for e in ends)})
        if told := re.search(r"about (\d+) s left", progress.title_and_detail()[1]):
            assert abs(int(told[1]) - (133 - now[0])) <= 10
        assert bool(told) == (now[0] >= 56)


def test_no_old_report_stands_beside_a_new_audit(panel: Audit) -> None:
    parts = panel.reports.close()
    assert parts[0].value is None and "under way" in parts[1]
    assert not any(p.visible for p in parts[2:] if hasattr(p, "visible"))
    panel.form.begin("shipped/dog", "standard", asker("ann"))
    assert panel.arrive(asker("ann"))[1].value is None
    panel.form.run.halt(asker("ann"))


def test_a_report_is_listed_with_its_date_model_and_verdict() -> None:
    listed = label(ASSETS / "reports" / "audit-dog" / "report.json")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d, dog of bundled \(\w+\): \w+", listed)


def test_a_process_is_followed_to_its_end() -> None:
    shown = list(followed(Child(), TELLING))
    assert "Loading the models" in shown[0] and "Audit: probes" in shown[-1]
    assert len(shown) == 1 + len(TICKS)


def test_what_went_wrong_is_told_as_text() -> None:
    refusing = script("sys.stderr.write('noise\\nerror: no <b>dog</b>\\n')", "sys.exit(2)")
    last = list(followed(Child(), refusing))[-1]
    assert "Not finished" in last and "no &lt;b&gt;dog&lt;/b&gt;" in last
    assert "without a word" in list(followed(Child(), script("sys.exit(2)")))[-1]


def test_a_leak_is_not_an_error() -> None:
    assert not any("Not finished" in s for s in followed(Child(), script("sys.exit(1)")))


def test_stopping_kills_the_process_at_once() -> None:
    run, began = Child(), time.monotonic()
    shown = followed(run, script(f"print({json.dumps(TICKS[0])!r}, flush=True)", "time.sleep(60)"))
    next(shown), next(shown)
    run.stop()
    assert "Stopped" in list(shown)[-1]
    assert run.process.returncode < 0 and time.monotonic() - began < 10


def test_a_process_that_nobody_listens_to_ends_at_once() -> None:
    run, began = Child(), time.monotonic()
    shown = followed(run, script(f"print({json.dumps(TICKS[0])!r}, flush=True)", "time.sleep(60)"))
    next(shown), next(shown)
    shown.close()
    assert run.process.returncode < 0 and time.monotonic() - began < 10


def test_silence_is_told_where_it_is_asked_for() -> None:
    run = Child()
    told = listen(run, script("time.sleep(60)"), every=0.05)
    assert [p.done for _, p in zip(range(4), told)] == [0] * 4
    told.close()
    assert run.process.returncode < 0


def test_a_run_stopped_before_it_began_starts_nothing(panel: Audit) -> None:
    panel.form.begin("shipped/dog", "standard", asker("ann"))
    panel.form.run.halt(asker("ann"))
    ((said, _),) = panel.form.run.run(asker("ann"))
    assert "before it began" in said


def test_one_audit_a_visitor_and_none_without_an_adapter(panel: Audit) -> None:
    with pytest.raises(gr.Error, match="no adapter"):
        panel.form.begin(None, "standard", asker("ann"))
    panel.form.begin("shipped/dog", "standard", asker("ann"))
    with pytest.raises(gr.Error, match="under way"):
        panel.form.begin("shipped/dog", "standard", asker("ann"))
    panel.form.begin("shipped/dog", "standard", asker("bob"))
    panel.form.run.halt(asker("bob"))
    assert set(panel.form.audits.by_visitor) == {panel.studio.visitor("ann")}, "none of another's"


def test_a_finished_run_opens_its_report_and_leaves_no_parts(
    panel: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(model: Path, folder: Path, depth: str, out: Path, *more: object) -> list[str]:
        (out.parent / f"{out.name}.1.part").mkdir(parents=True)
        out.mkdir()
        (out / "report.json").write_text("{}")
        return TELLING

    monkeypatch.setattr(audit_run, "command", fake)
    panel.form.begin("shipped/dog", "standard", asker("ann"))
    *_, (said, name) = panel.form.run.run(asker("ann"))
    assert "Done" in said and panel.choose(name, asker("ann")).value == "mine/dog-standard"
    ann, bob = map(panel.studio.visitor, ("ann", "bob"))
    assert [p.name for p in (panel.studio.folder(ann) / "audits").iterdir()] == ["dog-standard"]
    assert not panel.form.audits.busy(ann)
    assert "mine/dog-standard" in reports.paths(panel.studio, ann)
    assert not reports.paths(panel.studio, bob)


def test_the_command_names_everything_it_needs(tmp_path: Path) -> None:
    line = audit_run.command(tmp_path / "m", tmp_path / "a", "deep", tmp_path / "o")
    assert line[1:3] == ["-m", "audit"] and {"--deep", "--events", str(tmp_path / "m")} <= set(line)
    assert "--deep" not in audit_run.command(tmp_path, tmp_path, "standard", tmp_path)
