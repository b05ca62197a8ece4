"""The Audit tab: the finished reports, and the form that runs another audit."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.events import Dependency

from audit.report import page as report_page
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.audit_form import AuditForm
from hfru_core.studio.tabs.audit_reports import Reports, choice
from hfru_core.studio.tabs.events import PRIVATE


class Audit:
    """Both parts, side by side."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        gr.HTML(f"<style>{report_page.STYLE}</style>", padding=False)
        with gr.Row():
            with gr.Column(scale=4, min_width=280, elem_classes="still"):
                self.reports = Reports(studio)
                self.form = AuditForm(studio)
                self.reports.build_files()
            with gr.Column(scale=9, min_width=300, elem_classes="still"):
                self.reports.build_view()

    def wire(self, page: gr.Blocks, tab: gr.Tab, opened: Dependency) -> None:
        """Connect the events; an audit closes the report that is open, and opens its own."""
        lists = [self.form.adapter, self.reports.opened]
        tab.select(self.offer, None, lists, **PRIVATE)
        self.reports.opens(page.load(self.arrive, None, lists, **PRIVATE).then)
        self.reports.wire()
        self.form.wire(opened)
        self.reports.closes(self.form.run.began.success)
        finished = self.form.finished
        self.reports.opens(
            finished.change(self.choose, finished, self.reports.opened, **PRIVATE).success
        )

    def arrive(self, request: gr.Request) -> list[Any]:
        """A new page: the adapters and the finished reports to choose from; none of them is open
        while an audit is under way."""
        visitor = self.studio.visitor(request.session_hash)
        labels = self.reports.labels(visitor)
        busy = self.form.audits.busy(visitor)
        return [
            choice(self.studio.labels(visitor)),
            gr.Dropdown(labels, value=None) if busy else choice(labels),
        ]

    def choose(self, name: str, request: gr.Request) -> Any:
        """The report that was just finished."""
        labels = self.reports.labels(self.studio.visitor(request.session_hash))
        there = name in [n for _, n in labels]  # it may have been deleted since
        return choice(labels, name) if there else gr.skip()

    def offer(self, request: gr.Request) -> list[Any]:
        """The adapters and reports that are there now; those chosen stay."""
        visitor = self.studio.visitor(request.session_hash)
        labels = self.studio.labels(visitor), self.reports.labels(visitor)
        return [gr.Dropdown(labels[0]), gr.Dropdown(labels[1])]
