"""The reports of the Audit tab: choose one, see its verdict, and inspect what is behind it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from audit.report import cards, cover, page, plots
from audit.report.report import Report, called, decision
from hfru_core.studio.errors import friendly, public
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.sessions import reports
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.confirmed import Confirmed
from hfru_core.studio.tabs.events import AT_ONCE, PRIVATE
from hfru_core.types import UserError

EMPTY = """<div class="empty"><b>No report is open</b>Choose a finished report, or audit an adapter.
You will see what the model still says, what its encoder still holds and what comes back after an
attack, each beside the original model and one that never saw the concept.</div>"""
UNDER_WAY = """<div class="empty"><b>An audit is under way</b>Its report opens here when it is done.
Finished ones can be chosen from the list.</div>"""
FILES = {
    "html": "report.html", "json": "report.json", "md": "report.md", "csv": "samples.csv",
}  # fmt: skip


class Reports:
    """The list of finished reports, and the one that is open; nothing is computed here."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.opened = gr.Dropdown([], label=t("audit.reports"), elem_id="audit-report")

    def build_files(self) -> None:
        self.files = [
            gr.DownloadButton(t(f"audit.{end}"), visible=False, size="sm", elem_id=f"audit-{end}")
            for end in FILES
        ]
        self.remove = Confirmed("report")

    def build_view(self) -> None:
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

    def wire(self) -> None:
        """Connect the events: a report is opened, a finding chosen, a map filtered."""
        one, again = [self.opened, self.finding], [self.shown, self.point]
        self.opens(self.opened.input)
        self.opens(self.remove.wire(self.removes, self.opened, self.opened, **AT_ONCE).success)
        self.finding.input(self.look, one, self.look_parts(), **PRIVATE)
        for part in again:
            part.input(self.filter, [*one, *again], [self.plot, self.card], **PRIVATE)

    def opens(self, trigger: Callable[..., Dependency]) -> None:
        """Open the chosen report, and its first finding, after an event."""
        view = [self.banner, self.all, self.cards, *self.files, self.finding]
        trigger(self.open, self.opened, view, **PRIVATE).then(
            self.look, [self.opened, self.finding], self.look_parts(), **PRIVATE
        )

    def closes(self, trigger: Callable[..., Dependency]) -> None:
        """Close the report that is open: an old one never stands beside a new audit."""
        parts = [self.opened, self.banner, self.all, self.finding, *self.files, *self.look_parts()]
        trigger(self.close, None, parts, **AT_ONCE)

    def close(self) -> list[Any]:
        return [
            gr.Dropdown(value=None),
            UNDER_WAY,
            gr.Accordion(visible=False),
            gr.Dropdown(visible=False),
            *[gr.DownloadButton(visible=False)] * len(FILES),
            gr.Plot(visible=False),
            "",
            gr.Row(visible=False),
            gr.skip(),
        ]

    def look_parts(self) -> list[Any]:
        """What `look` fills."""
        return [self.plot, self.card, self.map_parts, self.point]

    def labels(self, visitor: str) -> list[tuple[str, str]]:
        found = [
            (label(p) + " (yours)" * n.startswith("mine/"), n)
            for n, p in reports.paths(self.studio, visitor).items()
        ]
        own = [f for f in found if f[1].startswith("mine/")]
        shipped = [f for f in found if f not in own]
        return [*shipped, *sorted(own, reverse=True)]  # their dates come first

    def chosen(self, name: str | None, request: gr.Request) -> tuple[Path, Report] | None:
        """The report behind a choice."""
        visitor = self.studio.visitor(request.session_hash)
        path = reports.paths(self.studio, visitor).get(name or "")
        return (path, reports.load(path)) if path else None

    @friendly
    def removes(self, name: str | None, request: gr.Request) -> gr.Dropdown:
        """Delete one of the visitor's own reports; the first one is opened."""
        visitor = self.studio.visitor(request.session_hash)
        reports.delete(self.studio, visitor, name)
        return choice(self.labels(visitor))

    def open(self, name: str | None, request: gr.Request) -> list[Any]:
        """The verdict, all cards, the files, and the findings to look at."""
        try:
            choice = self.chosen(name, request)
        except UserError as error:
            return [f'<div class="empty">{escape(public(str(error)))}</div>', *[gr.skip()] * 6]
        if choice is None:
            return [EMPTY, *[gr.skip()] * 6]
        path, report = choice
        findings = finding_choices(report)
        return [
            framed(cover.verdict_box(report, cover.plain) + cover.answers(report, cover.plain)),
            gr.Accordion(visible=True),
            framed(page.brief_cards(report)),
            *self.downloads(path, self.studio.visitor(request.session_hash)),
            gr.Dropdown(
                findings, value=findings[0][1] if findings else None, visible=bool(findings)
            ),
        ]

    def downloads(self, report: Path, visitor: str) -> list[gr.DownloadButton]:
        """A button for each file that lies beside a report; the others are hidden."""
        files = [p for n in FILES.values() if (p := report.with_name(n)).is_file()]
        buttons = [
            gr.DownloadButton(value=self.studio.offered(p, visitor), visible=True) for p in files
        ]
        return buttons + [gr.DownloadButton(visible=False)] * (len(FILES) - len(buttons))

    def look(self, name: str | None, number: int | None, request: gr.Request) -> list[Any]:
        """One finding: its drawing, its card, and what can be chosen on a map."""
        choice = self.chosen(name, request)
        if choice is None or number is None:
            return [gr.Plot(visible=False), "", gr.Row(visible=False), gr.skip()]
        finding = choice[1].findings[number]
        examples = finding.examples if plots.maps(finding) else ()
        points = [(f"{i}: {e.question}", i) for i, e in enumerate(examples)]
        drawing = plots.figure(finding)
        return [
            gr.Plot(drawing, visible=drawing is not None),
            framed(cards.card(finding, drawn=False)),
            gr.Row(visible=bool(points)),
            gr.Dropdown(points, value=None),
        ]

    def filter(
        self,
        name: str | None,
        number: int | None,
        role: str,
        point: int | None,
        request: gr.Request,
    ) -> list[Any]:
        """The maps again, with some pictures and one of them ringed and shown."""
        choice = self.chosen(name, request)
        if choice is None or number is None:
            return [gr.skip(), gr.skip()]
        finding = choice[1].findings[number]
        card = cards.card(finding, drawn=False)
        if point is not None:
            example = finding.examples[point]
            card = f"<p>{cards.picture(example.image)} {escape(example.question)}</p>{card}"
        return [plots.figure(finding, role, point), framed(card)]


def framed(html: str) -> str:
    return f'<div class="audit">{html}</div>'


def choice(labels: list[tuple[str, str]], value: str | None = None) -> gr.Dropdown:
    """A dropdown set to a value, or to its first."""
    return gr.Dropdown(labels, value=value or (labels[0][1] if labels else None))


def label(path: Path) -> str:
    """'2026-11-27, dog of bundled (standard): leak', or the name of a folder that is no report."""
    try:
        report = reports.load(path)
    except UserError:
        return f"{path.parent.name} (damaged)"
    s, day = report.subject, report.timing.time[:10]
    base = s.base.name.rpartition("/")[2]
    return f"{day}, {s.adapter} of {base} ({s.depth}): {report.verdict.state}"


def finding_choices(report: Report) -> list[tuple[str, int]]:
    """What can be looked at, by number: those that decided first, then those with a drawing."""
    weight = {"leak": 0, "damage": 1}
    order = sorted(
        range(len(report.findings)),
        key=lambda i: (weight.get(decision(report.findings[i]), 2), not report.findings[i].series),
    )
    return [(f"{called(report.findings[i])}: {decision(report.findings[i])}", i) for i in order]
