"""The Benchmark tab: methods side by side in a table and a plot, to filter, export and repeat."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import plotly.graph_objects as go
from gradio.events import Dependency

from hfru_core.bench.columns import BY_KEY, COLUMNS
from hfru_core.bench.results_file import Bench, Row, json_text, load
from hfru_core.bench.table import Filter, Group, Over, choices, csv_text, group, sort
from hfru_core.paths import ASSETS
from hfru_core.studio.errors import friendly, public
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.render import bench_html as view
from hfru_core.studio.render.bench_plot import scatter
from hfru_core.studio.sessions.bench_run import rows_of
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.bench_run_form import BenchRun
from hfru_core.studio.tabs.events import PRIVATE
from hfru_core.types import UserError

REPORT = ASSETS / "reports" / "bench.json"
OVER = tuple((t(f"bench.over.{n}"), n) for n in ("tasks", "seeds", "runs"))
REQUESTS = [(title, name) for name, title in view.REQUESTS.items()]
BUDGETS = [(title, name) for name, title in view.BUDGETS.items()]
USUAL = {
    "sources": ["world"],
    "budgets": ["own", "set"],
    "requests": ["plain"],
}  # what is seen at first
FILTERS = ("methods", "scopes", "tasks", "sources")
AXES = [(c.title, c.key) for c in COLUMNS]
QUICK = ((t("bench.quick.retain"), "retain", "forget"),
         (t("bench.quick.cost"), "seconds", "probe"))  # fmt: skip
FIRST = ("forget", True)
REDRAW = {"trigger_mode": "always_last", **PRIVATE}


class Look(NamedTuple):
    """How a visitor looks at the benchmark: the values of the components, in their order."""

    sorting: tuple[str, bool]
    chosen: str
    x: str
    y: str
    methods: list[str] | None
    scopes: list[str] | None
    tasks: list[str] | None
    sources: list[str] | None
    budgets: list[str] | None
    requests: list[str] | None
    over: Over

    def rows(self, bench: Bench) -> tuple[Row, ...]:
        """The rows that pass the filters."""
        named = ("methods", "scopes", "tasks", "sources", "budgets", "requests")
        wanted = Filter(**{name: tuple(getattr(self, name) or ()) for name in named})
        return tuple(filter(wanted.keeps, bench.rows))

    def plot(self, groups: list[Group]) -> go.Figure:
        return scatter(groups, BY_KEY[self.x], BY_KEY[self.y], self.chosen)

    def board(self, groups: list[Group]) -> str:
        return view.board(sort(groups, *self.sorting), *self.sorting, self.chosen)


class Benchmark:
    """The tab's components; `report` is the file that is shown to everybody."""

    def __init__(self, studio: Studio, report: Path = REPORT) -> None:
        self.studio, self.report = studio, report
        self.sorting, self.chosen = gr.State(FIRST), gr.State("")
        self.empty = gr.HTML(view.EMPTY, elem_id="bench-empty", visible=False)
        with gr.Column(visible=False) as self.results:
            self.build_filters()
            self.build_table()
            with gr.Row():
                with gr.Column(scale=3, min_width=300):
                    self.build_plot()
                with gr.Column(scale=2, min_width=280, elem_classes="still"):
                    self.build_details()
        with gr.Accordion(t("bench.run"), open=False, elem_id="bench-run"):
            self.runs = BenchRun(studio)

    def build_filters(self) -> None:
        with gr.Row():
            # What there is to choose is known when the tab is opened.
            self.filters = [several(name, USUAL.get(name, [])) for name in FILTERS]
        with gr.Row():
            self.budgets, self.requests = several("budgets", BUDGETS), several("requests", REQUESTS)
            self.over = gr.Dropdown(
                OVER, value="tasks", label=t("bench.over"), min_width=150, elem_id="bench-over"
            )

    def build_table(self) -> None:
        self.board = gr.HTML(elem_id="bench-board", js_on_load=view.CLICKS)
        gr.HTML(f'<p class="note">{t("bench.hint")}</p>')
        self.about = gr.HTML(elem_id="bench-about")
        with gr.Row():
            self.csv, self.json = (
                gr.DownloadButton(
                    t(f"bench.{end}"), size="sm", scale=0, min_width=140, elem_id=f"bench-{end}"
                )
                for end in ("csv", "json")
            )
        with gr.Accordion(t("bench.columns"), open=False, elem_id="bench-legend"):
            gr.HTML(view.legend())

    def build_plot(self) -> None:
        _, x, y = QUICK[0]
        with gr.Row():
            self.quick = [
                gr.Button(label, size="sm", scale=0, min_width=200) for label, *_ in QUICK
            ]
        with gr.Row():
            self.x = gr.Dropdown(
                AXES, value=x, label=t("bench.x"), min_width=130, elem_id="bench-x"
            )
            self.y = gr.Dropdown(
                AXES, value=y, label=t("bench.y"), min_width=130, elem_id="bench-y"
            )
        self.plot = gr.Plot(show_label=False, elem_id="bench-plot")

    def build_details(self) -> None:
        self.details = gr.HTML(f'<p class="note">{view.PICK}</p>', elem_id="bench-details")
        self.command = gr.Code(
            "",
            language="shell",
            label=t("bench.again"),
            interactive=False,
            lines=1,
            max_lines=14,
            wrap_lines=True,
            show_line_numbers=False,
            visible=False,
            elem_id="bench-command",
            buttons=["copy"],
        )

    def wire(self, tab: gr.Tab, opened: Dependency) -> None:
        """Connect the events; whatever changes what is seen draws all of it again."""
        seen = [*self.filters, self.budgets, self.requests, self.over]
        looked = [self.sorting, self.chosen, self.x, self.y, *seen]
        drawn = [self.empty, self.results, self.board, self.plot, self.csv, self.json]
        draw = (self.draw, looked, drawn)
        tab.select(self.offer, None, [*self.filters, self.about], **PRIVATE).then(*draw, **PRIVATE)
        self.runs.finished.change(self.offer, None, [*self.filters, self.about], **REDRAW).then(
            *draw, **REDRAW
        )
        for part in seen:
            part.change(*draw, **REDRAW)
        for axis in (self.x, self.y):
            axis.change(self.replot, looked, self.plot, **REDRAW)
        for button, (_, x, y) in zip(self.quick, QUICK):
            button.click(lambda x=x, y=y: [x, y], None, [self.x, self.y], **PRIVATE)
        self.board.sort(self.resort, looked, [self.sorting, self.board], **PRIVATE)
        self.board.pick(
            self.pick, looked, [self.chosen, self.details, self.command, self.plot], **PRIVATE
        )
        self.runs.wire(tab, opened)

    # What there is

    def bench(self, visitor: str) -> Bench:
        """Everybody's rows and the visitor's own; raises where the file can't be read."""
        shared = Bench()
        if self.report.is_file():
            shared = opened(self.report, self.report.stat().st_mtime_ns)
        return Bench(
            shared.note, shared.settings, (*shared.rows, *rows_of(self.studio.folder(visitor)))
        )

    def offer(self, request: gr.Request) -> list:
        """What can be filtered by, and what the file says of itself."""
        try:
            bench = self.bench(self.studio.visitor(request.session_hash))
        except UserError:
            return [*[gr.skip()] * len(self.filters), ""]
        labels = {r.method: r.label for r in bench.rows}
        methods = [(labels[m], m) for m in choices(bench.rows, lambda r: r.method)]
        others = [
            gr.Dropdown(choices(bench.rows, of))
            for of in (lambda r: r.scope, lambda r: r.task, lambda r: r.source or "world")
        ]
        return [gr.Dropdown(methods), *others, view.about(bench)]

    # What is shown

    def draw(self, request: gr.Request, *form) -> list:
        """Everything, or how to make it where there is nothing yet."""
        look, visitor = Look(*form), self.studio.visitor(request.session_hash)
        try:
            bench = self.bench(visitor)
        except UserError as error:
            return self.nothing(f'<div class="empty">{escape(public(str(error)))}</div>')
        if not bench.rows:
            return self.nothing(view.EMPTY)
        rows = look.rows(bench)
        groups = group(rows, look.over)
        whole = json_text(Bench(bench.note, bench.settings, rows))
        return [
            gr.HTML(visible=False),
            gr.Column(visible=True),
            look.board(groups),
            look.plot(groups),
            self.file(visitor, "csv", csv_text(rows)),
            self.file(visitor, "json", whole),
        ]

    def nothing(self, why: str) -> list:
        return [gr.HTML(why, visible=True), gr.Column(visible=False), *[gr.skip()] * 4]

    def file(self, visitor: str, end: str, text: str) -> gr.DownloadButton:
        """A button with the rows that are seen, from a folder that only their visitor knows."""
        path = self.studio.folder(visitor) / "downloads" / f"benchmark.{end}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return gr.DownloadButton(value=self.studio.offered(path, visitor))

    def groups(self, look: Look, request: gr.Request) -> list[Group]:
        bench = self.bench(self.studio.visitor(request.session_hash))
        return group(look.rows(bench), look.over)

    @friendly
    def replot(self, request: gr.Request, *form) -> go.Figure:
        look = Look(*form)
        return look.plot(self.groups(look, request))

    @friendly
    def resort(self, request: gr.Request, event: gr.EventData, *form) -> list:
        """Best first by the column that was pressed; the other way round the second time."""
        look = Look(*form)
        key, (before, best_first) = event.key if event.key in BY_KEY else "label", look.sorting
        look = look._replace(sorting=(key, not best_first if key == before else True))
        return [look.sorting, look.board(self.groups(look, request))]

    @friendly
    def pick(self, request: gr.Request, event: gr.EventData, *form) -> list:
        """A row of the table: what it is made of, its commands, and its point in the plot."""
        look = Look(*form)._replace(chosen=event.row)
        groups = self.groups(look, request)
        row = next((g for g in groups if g.id == event.row), None)
        if row is None:
            return [gr.skip()] * 4
        command = gr.Code(view.commands(row), visible=True)
        return [row.id, view.details(row), command, look.plot(groups)]


def several(name: str, choices: list) -> gr.Dropdown:
    """A filter that takes any number of values."""
    return gr.Dropdown(
        choices,
        value=USUAL.get(name, []),
        multiselect=True,
        label=t(f"bench.{name}"),
        min_width=150,
        elem_id=f"bench-{name}",
    )


@lru_cache(maxsize=2)
def opened(path: Path, changed: int) -> Bench:
    """The file, read once as long as it stays the same."""
    return load(path)
