"""What the Unlearn tab shows of a session: its state, curves, answers, rates and adapter."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hfru_core.studio.i18n.catalogue import marker, t
from hfru_core.studio.render import answers_html
from hfru_core.studio.render.curves import loss_figure, reward_figure
from hfru_core.studio.render.progress import probes, status
from hfru_core.studio.sessions.runner import Report, zipped
from hfru_core.studio.sessions.studio import Studio


class View:
    """The components that a report fills; `finished` holds the name of the adapter, once there."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.finished = gr.State("")
        self.status = gr.HTML(marker("unlearn.html"), elem_id="status")
        with gr.Row(visible=False) as self.plots:
            self.rewards = gr.Plot(show_label=False, container=True, min_width=280)
            self.losses = gr.Plot(show_label=False, container=True, min_width=280)
        self.summary = gr.HTML(visible=False, elem_id="summary")
        with gr.Row(visible=False) as self.results:
            self.compare = gr.Button(t("unlearn.compare"), variant="primary")
            self.download = gr.DownloadButton(t("unlearn.download"), elem_id="download")
        self.probes = gr.HTML(elem_id="probes")

    @property
    def outputs(self) -> list[Any]:
        """What `updates` fills, in its order."""
        return [
            self.status, self.plots, self.rewards, self.losses, self.probes, self.summary,
            self.results, self.download, self.finished,
        ]  # fmt: skip

    def unchanged(self) -> list[Any]:
        return [gr.skip()] * len(self.outputs)

    def state(self, report: Report) -> list[Any]:
        """Only the state changes; curves and answers stay."""
        return [status(report), *self.unchanged()[1:]]

    def updates(self, report: Report, visitor: str, name: str) -> list[Any]:
        """The whole report; `name` is the adapter's, empty while there is none."""
        config = report.config if report.events else None
        return [
            status(report),
            gr.Row(visible=config is not None),
            reward_figure(report.events, config) if config else None,
            loss_figure(report.events, config) if config else None,
            probes(report),
            *self.result(report, visitor, name),
            name,
        ]

    def result(self, report: Report, visitor: str, name: str) -> list[Any]:
        """The rates and the adapter to download, hidden until there is one."""
        if not (name and report.adapter and report.before and report.after):
            return [
                gr.HTML("", visible=False),
                gr.Row(visible=False),
                gr.DownloadButton(value=None),
            ]
        rates = answers_html.summary_table(report.before, report.after, report.note)
        file = self.studio.offered(zipped(self.studio, report.adapter, visitor), visitor)
        return [gr.HTML(rates, visible=True), gr.Row(visible=True), gr.DownloadButton(value=file)]
