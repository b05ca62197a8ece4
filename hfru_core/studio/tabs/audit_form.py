"""The form of the Audit tab: choose an adapter, start its audit, watch it or stop it."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency

from hfru_core.studio.errors import friendly
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.render import commands
from hfru_core.studio.sessions import audit_run
from hfru_core.studio.sessions.processes import Processes
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.events import PRIVATE
from hfru_core.studio.tabs.start_stop import StartStop
from hfru_core.types import UserError

DEPTHS = ("standard", "deep")


class AuditForm:
    """The form; `audits` are those under way."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.audits: Processes[audit_run.Progress] = Processes(
            studio, "An audit of yours is under way: stop it first."
        )
        self.adapter = gr.Dropdown([], label=t("audit.adapter"), elem_id="audit-adapter")
        self.depth = gr.Radio(
            [(t(f"audit.{d}"), d) for d in DEPTHS],
            value="standard",
            label=t("audit.depth"),
            elem_id="audit-depth",
        )
        self.finished = gr.State("")  # the report's name: who listens opens it
        self.run = StartStop(self.audits, "audit", t("tab.audit"), report, audit_run.STOPPED)
        self.command = commands.code("audit-command", commands.audit(None, "standard"))

    def wire(self, opened: Dependency) -> None:
        """Connect the events; audits share the queue of one with training."""
        form = [self.adapter, self.depth]
        gr.on(
            [self.adapter.change, self.depth.change],
            commands.audit,
            form,
            self.command,
            queue=False,
            api_name="audit_command",  # else it takes the name of the endpoint `audit`
            **PRIVATE,
        )
        self.run.wire(self.begin, form, self.finished, opened)

    @friendly
    def begin(self, adapter: str | None, depth: str, request: gr.Request) -> list[Any]:
        """Register the audit before it waits for its turn."""
        visitor = self.studio.visitor(request.session_hash)
        folder = self.studio.adapter(visitor, adapter)
        if folder is None:
            raise UserError("There is no adapter to audit: make one in the Unlearn tab.")
        self.audits.check_idle(visitor)
        self.studio.check_space(visitor)
        steps = partial(audit_run.audit, self.studio, visitor, folder, depth)
        return self.run.registered(visitor, steps)


def report(progress: audit_run.Progress) -> str:
    """The name of the finished report."""
    return f"mine/{progress.report.name}" if progress.report else ""
