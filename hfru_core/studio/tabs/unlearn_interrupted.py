"""The interrupted sessions of a visitor, to resume or to delete; hidden where there are none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gradio as gr

from hfru_core.studio.errors import friendly
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.sessions import interrupted
from hfru_core.studio.sessions.running import Sessions
from hfru_core.studio.tabs.events import AT_ONCE
from hfru_core.types import UserError


class Interrupted:
    """A row with a list and two buttons; the tab decides what Resume does."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions, self.studio = sessions, sessions.studio
        with gr.Row(visible=False, elem_id="unfinished") as self.row:
            self.choice = gr.Dropdown([], label=t("unlearn.cut"), scale=3, elem_id="cut-off")
            self.resume = gr.Button(t("unlearn.resume"), scale=1, min_width=100, elem_id="resume")
            self.drop = gr.Button(t("unlearn.drop"), scale=1, min_width=100, elem_id="drop")

    @property
    def outputs(self) -> list[Any]:
        """What `offer` fills."""
        return [self.row, self.choice]

    def wire(self) -> None:
        self.drop.click(self.delete, self.choice, self.outputs, **AT_ONCE)

    def offer(self, request: gr.Request) -> list[Any]:
        """The interrupted sessions; none while one is under way."""
        visitor = self.studio.visitor(request.session_hash)
        labels = interrupted.labels(self.studio.sessions / visitor / "runs")
        visible = bool(labels) and visitor not in self.sessions.runs
        choice = gr.Dropdown(labels, value=labels[0][1] if labels else None)
        return [gr.Row(visible=visible), choice]

    def folder(self, visitor: str, name: str | None) -> Path:
        """The folder of an interrupted session; names of other folders lead nowhere."""
        runs = self.sessions.folder(visitor)
        if name is None or name not in [n for _, n in interrupted.labels(runs)]:
            raise UserError("That session is no longer here: reload the page and choose again.")
        return runs / name

    @friendly
    def delete(self, name: str | None, request: gr.Request) -> list[Any]:
        """Delete the checkpoint of an interrupted session."""
        visitor = self.studio.visitor(request.session_hash)
        self.sessions.check_idle(visitor)
        shutil.rmtree(self.folder(visitor, name), ignore_errors=True)
        return self.offer(request)
