"""The Audit tab: choose an adapter, watch its audit, see the verdict and what is behind it.

Finished reports are shown without computing anything.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Protocol

import gradio as gr

from audit.report import page as report_page
from audit.report import plots
from audit.report.json_file import read
from audit.report.report import Report, called, decision
from hfru_core.child_process import Child
from hfru_core.files import PART, free_name
from hfru_core.paths import ASSETS
from hfru_core.studio.render import commands
from hfru_core.studio.render.progress import bar
from hfru_core.studio.sessions import audit_run
from hfru_core.types import UserError

REPORTS = ASSETS / "reports"
DEPTHS = ("standard", "deep")
EMPTY = """<div class="empty"><b>No report is open</b>Choose a finished report, or audit an adapter.
You will see what the model still says, what its encoder still holds and what comes back after an
attack, each beside the original model and one that never saw the concept.</div>"""
FILES = ("html", "json", "md")
PRIVATE = {"api_visibility": "private", "show_progress": "hidden"}


class Rooms(Protocol):
    """What the tab needs of the app: the model, a visitor's own folder, the adapters to choose."""

    model: Path
    device: AbstractContextManager

    def visitor(self, session_hash: str | None) -> str: ...
    def folder(self, visitor: str) -> Path: ...
    def labels(self, visitor: str) -> list[tuple[str, str]]: ...
    def adapter(self, visitor: str, name: str | None) -> Path | None: ...
    def offered(self, file: Path) -> str: ...
    def text(self, key: str) -> str: ...
    def check_space(self, visitor: str) -> None: ...


def add_tab(rooms: Rooms, page: gr.Blocks) -> None:
    """The tab and its events; to be called inside the app's `gr.Tabs()`."""
    with gr.Tab(rooms.text("tab.audit"), id="audit") as tab:
        Panel(rooms).wire(page, tab)


class Panel:
    """The tab's components; `running` holds the audits under way, by page."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.running: dict[str, Child] = {}
        gr.HTML(f"<style>{report_page.STYLE}</style>", padding=False)
        with gr.Row():
            with gr.Column(scale=4, min_width=280, elem_classes="still"):
                self.build_wish()
            with gr.Column(scale=9, min_width=300, elem_classes="still"):
                self.build_view()

    def build_wish(self) -> None:
        t = self.rooms.text
        self.opened = gr.Dropdown([], label=t("audit.reports"), elem_id="audit-report")
        self.adapter = gr.Dropdown([], label=t("audit.adapter"), elem_id="audit-adapter")
        self.depth = gr.Radio(
            [(t(f"audit.{d}"), d) for d in DEPTHS],
            value="standard",
            label=t("audit.depth"),
            elem_id="audit-depth",
        )
        with gr.Row():
            self.start = gr.Button(t("tab.audit"), variant="primary", elem_id="audit-start")
            self.stop = gr.Button(
                t("stop"), variant="stop", interactive=False, elem_id="audit-stop"
            )
        self.status = gr.HTML(elem_id="audit-status")
        self.command = gr.Code(
            said(None, "standard"),
            language="shell",
            label=t("command"),
            interactive=False,
            lines=1,
            wrap_lines=True,
            show_line_numbers=False,
            elem_id="audit-command",
            buttons=["copy"],
        )
        self.files = [
            gr.DownloadButton(t(f"audit.{end}"), visible=False, size="sm", elem_id=f"audit-{end}")
            for end in FILES
        ]

    def build_view(self) -> None:
        t = self.rooms.text
        self.banner = gr.HTML(EMPTY, elem_id="audit-banner")
        self.finding = gr.Dropdown(
            [], label=t("audit.finding"), visible=False, elem_id="audit-finding"
        )
        with gr.Row(visible=False) as self.map_parts:
            self.shown = gr.Dropdown(plots.FILTERS, value="all", label=t("audit.shown"))
            self.point = gr.Dropdown([], label=t("audit.point"))
        self.plot = gr.Plot(show_label=False, visible=False, elem_id="audit-plot")
        self.card = gr.HTML(elem_id="audit-card")
        with gr.Accordion(t("audit.all"), open=False, visible=False) as self.all:
            self.cards = gr.HTML(elem_id="audit-cards")

    def wire(self, page: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the events; audits share the queue of one with training."""
        tab.select(self.offer, None, [self.adapter, self.opened], **PRIVATE)
        view = [self.banner, self.all, self.cards, *self.files, self.finding]
        look = [self.plot, self.card, self.map_parts, self.point]
        gr.on(
            [self.adapter.change, self.depth.change],
            said,
            [self.adapter, self.depth],
            self.command,
            queue=False,
            **PRIVATE,
        )
        buttons = [self.start, self.stop]
        one, again = [self.opened, self.finding], [self.shown, self.point]
        show = (self.look, one, look)
        page.load(self.arrive, None, [self.adapter, self.opened], **PRIVATE).then(
            self.open, self.opened, view, **PRIVATE
        ).then(*show, **PRIVATE)
        self.opened.input(self.open, self.opened, view, **PRIVATE).then(*show, **PRIVATE)
        self.finding.input(*show, **PRIVATE)
        for part in again:
            part.input(self.filter, [*one, *again], [self.plot, self.card], **PRIVATE)
        ran = self.start.click(
            self.begin, self.adapter, [self.status, *buttons], concurrency_limit=None, **PRIVATE
        ).success(
            self.run,
            [self.adapter, self.depth],
            [self.status, self.opened],
            concurrency_id="device",
            concurrency_limit=1,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=self.status,  # its place in the queue
        )
        ran.then(self.ended, None, buttons, queue=False, **PRIVATE)
        ran.success(self.open, self.opened, view, **PRIVATE).then(*show, **PRIVATE)
        self.stop.click(self.halt, None, [self.status, *buttons], queue=False, **PRIVATE)
        page.unload(self.leave)

    # Reports

    def arrive(self, request: gr.Request) -> list:
        """A new page: the adapters and the finished reports to choose from."""
        visitor = self.rooms.visitor(request.session_hash)
        labels, reports = self.rooms.labels(visitor), self.labels(visitor)
        return [choice(labels), choice(reports)]

    def offer(self, request: gr.Request) -> list:
        """The adapters and reports that are there now; those chosen stay."""
        visitor = self.rooms.visitor(request.session_hash)
        return [gr.Dropdown(self.rooms.labels(visitor)), gr.Dropdown(self.labels(visitor))]

    def reports(self, visitor: str) -> dict[str, Path]:
        """The reports that a visitor may see, by an opaque name."""
        mine = self.rooms.folder(visitor) / "audits"
        found = {"shipped": REPORTS.glob("audit-*/report.json"), "mine": mine.glob("*/report.json")}
        return {f"{k}/{p.parent.name}": p for k, paths in found.items() for p in sorted(paths)}

    def labels(self, visitor: str) -> list[tuple[str, str]]:
        return [
            (label(p) + " (yours)" * n.startswith("mine/"), n)
            for n, p in self.reports(visitor).items()
        ]

    def chosen(self, name: str | None, request: gr.Request) -> tuple[Path, Report] | None:
        """The report behind a choice."""
        path = self.reports(self.rooms.visitor(request.session_hash)).get(name or "")
        return (path, opened(path, path.stat().st_mtime_ns)) if path else None

    def open(self, name: str | None, request: gr.Request) -> list:
        """The verdict, all cards, the files, and the findings to look at."""
        try:
            found = self.chosen(name, request)
        except UserError as error:
            return [f'<div class="empty">{escape(str(error))}</div>', *[gr.skip()] * 6]
        if found is None:
            return [EMPTY, *[gr.skip()] * 6]
        path, report = found
        there = [p for e in FILES if (p := path.with_suffix(f".{e}")).is_file()]
        files = [gr.DownloadButton(value=self.rooms.offered(p), visible=True) for p in there]
        files += [gr.DownloadButton(visible=False)] * (len(FILES) - len(files))
        listed = finding_choices(report)
        return [
            framed(report_page.banner(report)),
            gr.Accordion(visible=True),
            framed(report_page.cards(report.findings, brief=True)),
            *files,
            gr.Dropdown(listed, value=listed[0][1] if listed else None, visible=bool(listed)),
        ]

    def look(self, name: str | None, number: int | None, request: gr.Request) -> list:
        """One finding: its drawing, its card, and what can be chosen on a map."""
        found = self.chosen(name, request)
        if found is None or number is None:
            return [gr.Plot(visible=False), "", gr.Row(visible=False), gr.skip()]
        f = found[1].findings[number]
        shots = f.examples if plots.maps(f) else ()
        points = [(f"{i}: {e.question}", i) for i, e in enumerate(shots)]
        drawing = plots.figure(f)
        return [
            gr.Plot(drawing, visible=drawing is not None),
            framed(report_page.card(f, drawn=False)),
            gr.Row(visible=bool(points)),
            gr.Dropdown(points, value=None),
        ]

    def filter(self, name, number, shown, point, request: gr.Request) -> list:
        """The maps again, with some pictures and one of them ringed and shown."""
        found = self.chosen(name, request)
        if found is None or number is None:
            return [gr.skip(), gr.skip()]
        f = found[1].findings[number]
        e = f.examples[point] if point is not None else None
        shot = f"<p>{report_page.picture(e.image)} {escape(e.question)}</p>" if e else ""
        return [plots.figure(f, shown, point), framed(shot + report_page.card(f, drawn=False))]

    # A run

    def begin(self, adapter: str | None, request: gr.Request) -> list:
        """Register the run before it waits for its turn."""
        visitor = self.rooms.visitor(request.session_hash)
        try:
            if self.rooms.adapter(visitor, adapter) is None:
                raise UserError("There is no adapter to audit: make one in the Unlearn tab.")
            if request.session_hash in self.running:
                raise UserError("An audit of yours is under way: stop it first.")
            self.rooms.check_space(visitor)
        except UserError as error:
            raise gr.Error(escape(str(error)), title="Please note", print_exception=False) from None
        self.running[request.session_hash] = Child()
        waiting = bar("Waiting", "for the machine; one audit or session runs at a time")
        return [waiting, gr.Button(interactive=False), gr.Button(interactive=True)]

    def run(self, adapter: str, depth: str, request: gr.Request) -> Iterator[list]:
        """Follow the process; ends with the report chosen, or with what went wrong."""
        visitor = self.rooms.visitor(request.session_hash)
        run = self.running.get(request.session_hash)
        with self.rooms.device:  # A session whose page was loaded anew has lost its place in line.
            pass
        if run is None or run.stopped:
            yield [bar("Stopped", "before it began"), gr.skip()]
            return
        folder = self.rooms.adapter(visitor, adapter)
        out = free_name(self.rooms.folder(visitor) / "audits", f"{folder.name}-{depth}")
        command = audit_run.command(self.rooms.model, folder, depth, out)
        try:
            for progress in audit_run.listen(run, command):
                yield [progress.html(), gr.skip()]
            if (out / "report.json").is_file():
                done = choice(self.labels(visitor), f"mine/{out.name}")
                yield [bar("Done", "the report is open", 1.0), done]
        finally:
            self.running.pop(request.session_hash, None)
            run.stop()
            for part in out.parent.glob(f"{out.name}.*{PART}"):
                shutil.rmtree(part, ignore_errors=True)

    def ended(self) -> list:
        return [gr.Button(interactive=True), gr.Button(interactive=False)]

    def halt(self, request: gr.Request) -> list:
        """Stop the visitor's own audit now: an audit that was cut short has no verdict."""
        run = self.running.pop(request.session_hash, None)
        if run:
            run.stop()
        return [bar(*audit_run.STOPPED), *self.ended()]

    def leave(self, request: gr.Request) -> None:
        """The page was closed: nobody wants the result."""
        run = self.running.pop(request.session_hash, None)
        if run:
            run.stop()


def said(adapter: str | None, depth: str) -> str:
    """The same on the command line; one's own adapter lies where its zip was unpacked."""
    name = (adapter or "").partition("/")[2]
    folder = commands.folder(adapter or "mine/")
    asked = ["python", "-m", "audit", folder, *["--deep"] * (depth == "deep")]
    return shlex.join([*asked, "--out", f"runs/audit-{name or 'ADAPTER'}"])


def framed(html: str) -> str:
    return f'<div class="audit">{html}</div>'


def choice(labels: list[tuple[str, str]], value: str | None = None) -> gr.Dropdown:
    """A dropdown set to a value, or to its first."""
    return gr.Dropdown(labels, value=value or (labels[0][1] if labels else None))


@lru_cache(maxsize=16)
def opened(path: Path, changed: int) -> Report:
    """A report, read once as long as its file stays the same."""
    return read(path)


def label(path: Path) -> str:
    """'dog (standard): leak', or the folder's name where the report cannot be read."""
    try:
        report = opened(path, path.stat().st_mtime_ns)
    except UserError:
        return f"{path.parent.name} (damaged)"
    s = report.subject
    return f"{s.adapter} ({s.depth}): {report.verdict.state}"


def finding_choices(report: Report) -> list[tuple[str, int]]:
    """What can be looked at, by number: those that decided first, then those with a drawing."""
    weight = {"leak": 0, "damage": 1}
    order = sorted(
        range(len(report.findings)),
        key=lambda i: (weight.get(decision(report.findings[i]), 2), not report.findings[i].series),
    )
    return [(f"{called(report.findings[i])}: {decision(report.findings[i])}", i) for i in order]
