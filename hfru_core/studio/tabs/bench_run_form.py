"""The part of the Benchmark tab that runs some methods now; its rows are their visitor's alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency

from hfru_core.paths import ASSETS
from hfru_core.studio.errors import friendly
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.render import commands
from hfru_core.studio.sessions.bench_run import STOPPED, Progress, Wish, bench
from hfru_core.studio.sessions.processes import Processes
from hfru_core.studio.sessions.running import MOST_STEPS
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.events import PRIVATE
from hfru_core.studio.tabs.start_stop import StartStop

TASKS = ("dog", "dog,elephant", "guitar", "Mara Velden", "Tobin Harrick,Ilsa Torvane,Dario Fent")


class BenchRun:
    """The form and its events; `benches` are the runs under way."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.benches: Processes[Progress] = Processes(
            studio, "A run of yours is under way: stop it first."
        )
        self.finished = gr.State(0)  # rows so far: who listens draws the table again
        gr.Markdown(t("bench_run.intro"))
        with gr.Row():
            self.methods = gr.Dropdown(
                [],
                multiselect=True,
                allow_custom_value=True,
                scale=3,
                min_width=260,
                label=t("bench_run.methods"),
                elem_id="bench-run-methods",
            )
            self.task = gr.Dropdown(
                TASKS,
                value=TASKS[0],
                allow_custom_value=True,
                scale=2,
                min_width=220,
                label=t("bench_run.task"),
                elem_id="bench-run-task",
            )
            self.seed = gr.Number(
                0,
                label=t("seed"),
                precision=0,
                minimum=0,
                maximum=2**31 - 1,
                min_width=90,
                elem_id="bench-run-seed",
            )
            self.steps = gr.Number(
                0,
                label=t("bench_run.steps"),
                precision=0,
                minimum=0,
                maximum=MOST_STEPS,
                min_width=130,
                elem_id="bench-run-steps",
            )
        self.run = StartStop(
            self.benches, "bench", t("bench_run.run"), lambda told: told.rows, STOPPED
        )
        self.command = commands.code("bench-run-command", self.as_command([], TASKS[0], 0, 0))

    def wire(self, tab: gr.Tab, opened: Dependency) -> None:
        """Connect the events; runs share the queue of one with training and audits."""
        wish: list[Any] = [self.methods, self.task, self.seed, self.steps]
        tab.select(self.offer, None, self.methods, **PRIVATE)
        for part in wish:
            part.change(self.as_command, wish, self.command, queue=False, **PRIVATE)
        self.run.wire(self.begin, wish, self.finished, opened)

    def offer(self) -> gr.Dropdown:
        """The methods there are; only now, since their modules bring torch."""
        from hfru_core.studio.sessions.torch_side import jobs

        return gr.Dropdown(jobs.everything().split(","))

    def wished(self, methods: list[str], task: str | None, seed: int, steps: int) -> Wish:
        model = None if self.studio.model == ASSETS / "model" else self.studio.model.absolute()
        return Wish(tuple(methods or ()), (task or "").strip(), seed or 0, steps or 0, model)

    def as_command(self, *form) -> str:
        wish = self.wished(*form)
        return (wish if wish.methods else replace(wish, methods=("METHODS",))).command()

    @friendly
    def begin(self, request: gr.Request, *form) -> list:
        """Check the wish and register the run, before it waits for its turn."""
        wish, visitor = self.wished(*form), self.studio.visitor(request.session_hash)
        wish.check()
        return self.run.registered(visitor, partial(bench, self.studio, visitor, wish))
