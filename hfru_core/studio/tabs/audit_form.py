"""The form of the Audit tab: choose an adapter, start its audit, watch it or stop it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.events import Dependency

from hfru_core.child_process import Child
from hfru_core.files import PART, free_name
from hfru_core.studio.errors import friendly
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.render import commands
from hfru_core.studio.render.progress import bar
from hfru_core.studio.sessions import audit_run
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.audit_reports import Reports, choice
from hfru_core.studio.tabs.events import AT_ONCE, DEVICE, PRIVATE, always
from hfru_core.types import UserError

DEPTHS = ("standard", "deep")


class AuditForm:
    """The form; `running` holds the audits under way, by page."""

    def __init__(self, studio: Studio, reports: Reports) -> None:
        self.studio, self.reports = studio, reports
        self.running: dict[str, Child] = {}
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
        self.command = commands.code("audit-command", commands.audit(None, "standard"))

    def wire(self, page: gr.Blocks) -> Dependency:
        """Connect the events; audits share the queue of one with training."""
        gr.on(
            [self.adapter.change, self.depth.change],
            commands.audit,
            [self.adapter, self.depth],
            self.command,
            queue=False,
            api_name="audit_command",  # else it takes the name of the endpoint `audit`
            **PRIVATE,
        )
        buttons = [self.start, self.stop]
        ran = self.start.click(
            self.begin, self.adapter, [self.status, *buttons], **AT_ONCE
        ).success(
            self.run,
            [self.adapter, self.depth],
            [self.status, self.reports.opened],
            show_progress="minimal",
            show_progress_on=self.status,  # its place in the queue
            **DEVICE,
        )
        always(ran, self.ended, None, buttons, queue=False, **PRIVATE)
        self.stop.click(self.halt, None, [self.status, *buttons], queue=False, **PRIVATE)
        page.unload(self.leave)
        return ran

    @friendly
    def begin(self, adapter: str | None, request: gr.Request) -> list[Any]:
        """Register the run before it waits for its turn."""
        page, visitor = str(request.session_hash), self.studio.visitor(request.session_hash)
        if self.studio.adapter(visitor, adapter) is None:
            raise UserError("There is no adapter to audit: make one in the Unlearn tab.")
        if page in self.running:
            raise UserError("An audit of yours is under way: stop it first.")
        self.studio.check_space(visitor)
        self.running[page] = Child()
        waiting = bar("Waiting", "for the machine; one audit or session runs at a time")
        return [waiting, gr.Button(interactive=False), gr.Button(interactive=True)]

    def run(self, adapter: str, depth: str, request: gr.Request) -> Iterator[list[Any]]:
        """Follow the process; ends with the report chosen, or with what went wrong."""
        page, visitor = str(request.session_hash), self.studio.visitor(request.session_hash)
        run = self.running.get(page)
        with self.studio.device:  # A session whose page was loaded anew has lost its place in line.
            pass
        if run is None or run.stopped or not (folder := self.studio.adapter(visitor, adapter)):
            yield [bar("Stopped", "before it began"), gr.skip()]
            return
        out = free_name(self.studio.folder(visitor) / "audits", f"{folder.name}-{depth}")
        command = audit_run.command(self.studio.model, folder, depth, out)
        try:
            for progress in audit_run.listen(run, command):
                yield [progress.html(), gr.skip()]
            if (out / "report.json").is_file():
                done = choice(self.reports.labels(visitor), f"mine/{out.name}")
                yield [bar("Done", "the report is open", 1.0), done]
        finally:
            self.running.pop(page, None)
            run.stop()
            for part in out.parent.glob(f"{out.name}.*{PART}"):
                shutil.rmtree(part, ignore_errors=True)

    def ended(self) -> list[Any]:
        return [gr.Button(interactive=True), gr.Button(interactive=False)]

    def halt(self, request: gr.Request) -> list[Any]:
        """Stop the visitor's own audit now: an audit that was cut short has no verdict."""
        self.leave(request)
        return [bar(*audit_run.STOPPED), *self.ended()]

    def leave(self, request: gr.Request) -> None:
        """The page was closed, or Stop pressed: nobody wants the result."""
        run = self.running.pop(str(request.session_hash), None)
        if run:
            run.stop()
