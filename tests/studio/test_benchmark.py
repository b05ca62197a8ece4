"""The Benchmark tab's functions: what is shown, exported and run; a run is its visitor's alone."""

from __future__ import annotations

import csv
import json
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest

from hfru_core.bench.columns import BY_KEY
from hfru_core.bench.table import group
from hfru_core.child_process import Child
from hfru_core.paths import ASSETS
from hfru_core.studio.render import bench_html as view
from hfru_core.studio.render.bench_plot import scatter
from hfru_core.studio.sessions.bench_run import Wish, follow, keep, rows_of
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.benchmark import FIRST, Benchmark
from hfru_core.types import UserError
from tests.bench.test_table import made, measured, raw, reference, write

ANN, BOB = SimpleNamespace(session_hash="ann"), SimpleNamespace(session_hash="bob")
EVIL = "<img src=x>"
VIEW = [FIRST, "", "retain", "forget", [], [], [], [], [], [], "seeds"]
ROWS = [
    reference("oracle", values=measured(forget=0.99, retain=1.0, probe=0.5)),
    raw(values=measured(forget=0.9, retain=0.8, probe=0.7)),
    raw(seed=1, values=measured(forget=0.8, retain=0.9)),
    raw(method="ga", label="GA", scope="encoder", task="dog", values=measured(forget=0.95)),
    raw(method="me", label="ME", error="out of memory", values={}, verdict=None),
]
FORM = (["npo"], "dog", 0, 2)


def script(*lines: str) -> list[str]:
    """A process that stands in for the benchmark."""
    return [sys.executable, "-c", "\n".join(("import json, sys, time", *lines))]


def say(**event: object) -> str:
    return f"print({json.dumps(event)!r}, flush=True)"


TELLING = script(
    say(row="npo · dog · 0", done=0, of=2, stage="unlearn"),
    "print('noise')",
    say(finished=raw(task="dog", steps=2)),
    say(row="ga · dog · 0", done=1, of=2, stage="audit"),
    say(finished=raw(method="ga", task="dog", steps=2)),
    say(rows=2, errors=0),
)
HANGING = script(
    "import subprocess",
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
    say(row="npo · dog · 0", done=0, of=1, stage="unlearn"),
    "time.sleep(60)",
)


@pytest.fixture
def panel(tmp_path: Path) -> Benchmark:
    studio = Studio(ASSETS / "model", tmp_path / "data")
    with gr.Blocks():
        return Benchmark(studio, write(tmp_path, ROWS))


def drawn(panel: Benchmark, who: SimpleNamespace = ANN, **changes: object) -> list:
    return panel.draw(who, *look(**changes))


def look(**changes: object) -> list:
    names = (
        "sorting",
        "chosen",
        "x",
        "y",
        "methods",
        "scopes",
        "tasks",
        "sources",
        "budgets",
        "requests",
        "over",
    )
    return list((dict(zip(names, VIEW)) | changes).values())


def file_of(button: gr.DownloadButton) -> Path:
    value = button.value
    return Path(value["path"] if isinstance(value, dict) else value)


def labels(html: str) -> list[str]:
    """The methods of a table, in its order."""
    return [
        part.split("<")[0]
        for part in html.split("<tr class=")[1:]
        for part in part.split("<button>")[1:]
    ]


# What is shown


def test_the_table_is_sorted_with_arrows_and_tells_of_failures(panel: Benchmark) -> None:
    html = drawn(panel)[2]
    assert labels(html) == ["Oracle", "GA", "NPO", "ME"]
    assert "Forgotten ↑ ▾" in html and "Probe ↓" in html and "lower is better" in html
    assert "85.0 %<small>80.0 to 90.0</small>" in html and "2 runs" in html
    assert "out of memory" in html and "–" in html and ">0.0 %" not in html


def test_a_column_is_sorted_best_first_and_then_the_other_way_round(panel: Benchmark) -> None:
    event = SimpleNamespace(key="probe")
    sorting, html = panel.resort(ANN, event, *look())
    assert sorting == ("probe", True) and labels(html)[:2] == ["Oracle", "NPO"]
    assert 'aria-sort="ascending"' in html and "Probe ↓ ▴" in html, "the lowest is best"
    sorting, html = panel.resort(ANN, event, *look(sorting=sorting))
    assert sorting == ("probe", False) and labels(html)[:2] == ["NPO", "Oracle"]
    assert 'aria-sort="descending"' in html and "Probe ↓ ▾" in html
    assert panel.resort(ANN, SimpleNamespace(key=EVIL), *look())[0] == ("label", True)


def test_filters_change_the_table_the_plot_and_the_files(panel: Benchmark, tmp_path: Path) -> None:
    *_, board, plot, table, whole = drawn(panel, methods=["ga"])
    assert labels(board) == ["Oracle", "GA"]
    assert [t.name for t in plot.data] == ["Oracle"]  # GA has no retention: it is not at 0.
    assert "1 of 2 rows have no value here" in str(plot.layout.annotations)
    lines = list(csv.DictReader(file_of(table).open(encoding="utf-8")))
    assert [x["method"] for x in lines] == ["oracle", "ga"] and lines[1]["retain"] == ""
    again = json.loads(file_of(whole).read_text(encoding="utf-8"))
    assert [r["method"] for r in again["rows"]] == ["oracle", "ga"] and again["note"] == "a note"
    assert view.NO_ROWS == drawn(panel, methods=["ga"], tasks=["none"])[2]


def test_other_requests_are_seen_where_they_are_asked_for(tmp_path: Path) -> None:
    """References too: what their columns hold depends on the request."""
    rows = [raw(), raw(request="polite"), reference("oracle")]
    with gr.Blocks():
        panel = Benchmark(Studio(ASSETS / "model", tmp_path / "data"), write(tmp_path, rows))
    count = lambda *names: len(labels(drawn(panel, requests=list(names))[2]))  # noqa: E731
    assert (count("plain"), count("polite"), count()) == (2, 1, 3)


def test_other_pictures_and_budgets_are_seen_where_they_are_asked_for(tmp_path: Path) -> None:
    rows = [raw(), raw(source="pacs:a.parquet"), raw(budget="equal"), reference("oracle")]
    with gr.Blocks():
        panel = Benchmark(Studio(ASSETS / "model", tmp_path / "data"), write(tmp_path, rows))
    count = lambda **chosen: len(labels(drawn(panel, **chosen)[2]))  # noqa: E731
    usual = {
        part.elem_id.partition("-")[2]: part.value
        for part in (*panel.filters, panel.budgets, panel.requests)
        if part.value
    }
    assert usual == {"sources": ["world"], "budgets": ["own", "set"], "requests": ["plain"]}
    assert (count(), count(**usual)) == (4, 2)
    assert count(sources=["pacs:a.parquet"]) == 1 and count(budgets=["equal"]) == 2


def test_what_can_be_filtered_by_is_what_there_is(panel: Benchmark) -> None:
    methods, scopes, tasks, sources, about = panel.offer(ANN)
    assert ("GA", "ga") in methods.choices and ("Oracle", "oracle") not in methods.choices
    assert [v for _, v in scopes.choices] == ["decoder", "encoder"]
    assert [v for _, v in tasks.choices] == ["dog,elephant", "dog"]
    assert [v for _, v in sources.choices] == ["world"] and "a note" in about


def test_a_row_shows_what_makes_it_again(panel: Benchmark) -> None:
    (npo,) = [g for g in group(panel.bench("x").rows) if g.first.method == "npo"]
    chosen, html, command, plot = panel.pick(ANN, SimpleNamespace(row=npo.id), *look())
    assert chosen == npo.id and "beta 0.1" in html and "2 runs" in html
    assert command.value == ROWS[1]["command"] and command.visible
    assert [t.name for t in plot.data][-1] == "chosen row"
    assert 'aria-selected="true"' in drawn(panel, chosen=chosen)[2]
    nothing = panel.pick(ANN, SimpleNamespace(row="gone"), *look())
    assert all("value" not in part for part in nothing)


def test_a_rows_leaks_stand_beside_base_and_oracle() -> None:
    beside = {"oracle": measured(probe=0.52), "base": measured(probe=0.98)}
    (one,) = group([made(values=measured(probe=0.6), beside=beside)])
    html = view.details(one)
    assert "<td>60.0 %</td><td>98.0 %</td><td>52.0 %</td>" in html
    assert "<td>–</td><td>–</td><td>–</td>" in html


def test_the_plot_has_intervals_and_marks_the_references(panel: Benchmark) -> None:
    plot = drawn(panel)[3]
    by_name = {t.name: t for t in plot.data}
    assert by_name["Oracle"].marker.symbol == "star" and by_name["Oracle"].text == ("Oracle",)
    npo = by_name["decoder"]
    assert npo.error_y.array[0] == pytest.approx(0.05)
    assert npo.error_y.arrayminus[0] == pytest.approx(0.05)
    costs = panel.replot(ANN, *look(x="seconds", y="probe"))
    assert costs.layout.xaxis.title.text == "Time ↓ (s)"
    (line,) = costs.layout.shapes  # The oracle was only loaded, so that it has no cost.
    assert line.y0 == line.y1 == 0.5 and "Oracle" in str(costs.layout.annotations)
    assert scatter([], BY_KEY["forget"], BY_KEY["probe"]).data == ()


def test_names_that_would_cover_each_other_are_left_to_the_mouse() -> None:
    near, nearer, far = (
        made(method=m, label=m, values=measured(forget=f, retain=0.9))
        for m, f in (("npo", 0.9), ("hfru", 0.905), ("ga", 0.1))
    )
    plot = scatter(group([near, nearer, far]), BY_KEY["retain"], BY_KEY["forget"])
    assert {t for d in plot.data for t in d.text or ()} == {"", "hfru", "ga"}
    assert sum(len(d.hovertext) for d in plot.data) == 3


def test_markup_is_shown_as_text() -> None:
    evil = dict.fromkeys(("label", "variant", "scope", "task", "error", "method"), EVIL)
    for row in (made(**evil), made(**(evil | {"error": None}), reasons=[EVIL])):
        (one,) = group([row])
        shown = view.board([one], "forget", True) + view.details(one)
        plot = scatter([one], BY_KEY["forget"], BY_KEY["seconds"]).to_json()
        assert "<img" not in shown and "&lt;img" in shown
        assert "<img" not in plot and "\\u003cimg" not in plot


def test_without_a_benchmark_the_tab_says_how_to_make_one(panel: Benchmark) -> None:
    panel.report.unlink()
    empty, results, *_ = drawn(panel)
    assert "python -m hfru_core bench" in empty.value and results.visible is False
    panel.report.write_text("{")
    empty, results, *_ = drawn(panel)
    assert "is not a JSON file" in empty.value and results.visible is False
    with pytest.raises(gr.Error, match="is not a JSON file"):
        panel.replot(ANN, *look())


# A live run


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch):
    return lambda asked: monkeypatch.setattr(Wish, "process", lambda self, out: asked)


def busy(panel: Benchmark) -> bool:
    return panel.runs.benches.busy(panel.studio.visitor("ann"))


def ran(panel: Benchmark, who: SimpleNamespace = ANN) -> list:
    panel.runs.begin(who, *FORM)
    return list(panel.runs.run.run(who))


def test_a_wish_becomes_the_command() -> None:
    wish = Wish(("npo", "ga"), "dog,elephant", 1, 0)
    wish.check()
    asked = wish.process(Path("/x"))
    assert asked[1:] == [
        "-m",
        "hfru_core",
        "bench",
        "--methods",
        "npo,ga",
        "--tasks",
        "dog,elephant",
        "--seeds",
        "1",
        "--out",
        "/x",
        "--events",
        "--json",
    ]
    assert "--steps" in Wish(("npo",), "dog", 0, 5).process(Path("x"))


def test_the_command_takes_what_it_is_asked() -> None:
    from hfru_core.cli.main import parser

    given = parser().parse_args(Wish(("npo",), "dog", 1, 5, Path("m")).process(Path("x"))[3:])
    assert (given.methods, given.tasks, given.seeds, given.steps) == ("npo", "dog", "1", 5)
    assert given.events and given.json and given.model == "m"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (([], "dog", 0, 0), "at least one method"),
        ((["nothing"], "dog", 0, 0), "Unknown method"),
        ((["npo"], EVIL, 0, 0), "&lt;img"),
        ((["npo"], None, 0, 0), "No concept"),
    ],
)
def test_an_impossible_wish_is_refused_before_it_waits(
    form: tuple, told: str, panel: Benchmark
) -> None:
    with pytest.raises(gr.Error, match=told):
        panel.runs.begin(ANN, *form)
    assert not panel.runs.benches.by_visitor


def test_rows_are_in_the_table_as_they_finish_and_for_their_visitor_alone(
    panel: Benchmark, stand_in
) -> None:
    stand_in(TELLING)
    panel.runs.begin(ANN, *FORM)
    with pytest.raises(gr.Error, match="under way"):
        panel.runs.begin(ANN, *FORM)
    seen = []
    for shown, count in panel.runs.run.run(ANN):
        if not isinstance(count, int):
            continue  # nothing new
        seen.append((count, drawn(panel)[2].count("(yours)"), shown))
    assert all(count <= rows for count, rows, _ in seen) and seen[-1][:2] == (2, 2)
    assert "Done" in seen[-1][2] and "2 rows" in seen[-1][2]
    assert "(yours)" not in drawn(panel, BOB)[2] and not busy(panel)
    assert json.loads(panel.report.read_text())["rows"] == ROWS


def test_the_same_run_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    for forget in (0.2, 0.4):
        keep(tmp_path, raw(values=measured(forget=forget)))
    keep(tmp_path, raw(seed=1))
    assert [r.value("forget").rate for r in rows_of(tmp_path)] == [0.4, 0.9]
    with pytest.raises(UserError, match="cannot be read: row.label"):
        keep(tmp_path, raw(label=None))


def test_what_went_wrong_is_told_as_text(panel: Benchmark, stand_in) -> None:
    stand_in(script("sys.stderr.write('noise\\nerror: no <b>dog</b>\\n')", "sys.exit(2)"))
    assert "no &lt;b&gt;dog&lt;/b&gt;" in ran(panel)[-1][0]
    stand_in(script(say(finished={"method": 1})))
    with pytest.raises(gr.Error, match="cannot be read"):
        ran(panel)
    assert not panel.runs.benches.by_visitor


def test_a_run_is_stopped_at_once_with_what_it_has_started(panel: Benchmark, stand_in) -> None:
    stand_in(HANGING)
    panel.runs.begin(ANN, *FORM)
    steps = panel.runs.run.run(ANN)
    next(s for s in steps if "unlearning" in s[0])
    (run,) = panel.runs.benches.by_visitor.values()
    began = time.monotonic()
    threading.Timer(0.2, panel.runs.run.halt, [ANN]).start()
    last = list(steps)[-1]
    assert time.monotonic() - began < 2 and "Stopped" in last[0]
    assert run.child.process.poll() is not None and not panel.runs.benches.by_visitor
    assert not list(panel.studio.folder(panel.studio.visitor("ann")).glob("bench-*"))


def test_a_run_that_was_stopped_while_it_waited_never_begins(panel: Benchmark, stand_in) -> None:
    stand_in(script("sys.exit('it began')"))
    panel.runs.begin(ANN, *FORM)
    panel.runs.run.halt(ANN)
    assert "before it began" in list(panel.runs.run.run(ANN))[0][0]
    run = Child(stopped=True)
    assert "Stopped" in list(follow(run, HANGING))[-1][0].html()


def test_progress_counts_the_rows_that_are_finished() -> None:
    told = [progress.html() for progress, _ in follow(Child(), TELLING)]
    assert "npo · dog · 0: unlearning" in told[1] and "1 of 2 done" in told[3]
