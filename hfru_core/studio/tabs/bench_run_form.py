"""The part of the Benchmark tab that runs some methods now; its rows are their visitor's alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from secrets import token_hex
from typing import Any

import gradio as gr

from hfru_core.child_process import Child
from hfru_core.paths import ASSETS
from hfru_core.studio.errors import friendly, public
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.render import commands
from hfru_core.studio.render.progress import bar
from hfru_core.studio.sessions.bench_run import STOPPED, Wish, follow, keep
from hfru_core.studio.sessions.running import MOST_STEPS
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.events import AT_ONCE, DEVICE, PRIVATE, always
from hfru_core.types import UserError

TASKS = ("dog", "dog,elephant", "guitar", "Mara Velden", "Tobin Harrick,Ilsa Torvane,Dario Fent")


class BenchRun:
    """The form and its events; `running` holds the runs under way, by page."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.running: dict[str, Child] = {}
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
        with gr.Row():
            self.start = gr.Button(t("bench_run.run"), variant="primary", elem_id="bench-start")
            self.stop = gr.Button(
                t("stop"), variant="stop", interactive=False, elem_id="bench-stop"
            )
        self.status = gr.HTML(elem_id="bench-status")
        self.command = commands.code("bench-run-command", self.as_command([], TASKS[0], 0, 0))

    def wire(self, page: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the events; runs share the queue of one with training and audits."""
        wish: list[Any] = [self.methods, self.task, self.seed, self.steps]
        buttons = [self.start, self.stop]
        tab.select(self.offer, None, self.methods, **PRIVATE)
        for part in wish:
            part.change(self.as_command, wish, self.command, queue=False, **PRIVATE)
        ran = self.start.click(self.begin, wish, [self.status, *buttons], **AT_ONCE).success(
            self.run,
            wish,
            [self.status, self.finished],
            show_progress="minimal",
            show_progress_on=self.status,  # its place in the queue
            **DEVICE,
        )
        always(ran, self.ended, None, buttons, queue=False, **PRIVATE)
        # What still waits for its turn is taken out of the queue: the next run is another one.
        self.stop.click(
            self.halt, None, [self.status, *buttons], queue=False, cancels=ran, **PRIVATE
        )
        page.unload(self.leave)

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
        self.wished(*form).check()
        page = str(request.session_hash)
        if page in self.running:
            raise UserError("A run of yours is under way: stop it first.")
        self.running[page] = Child()
        waiting = bar("Waiting", "for the machine; one run, audit or session at a time")
        return [waiting, gr.Button(interactive=False), gr.Button(interactive=True)]

    @friendly
    def run(self, request: gr.Request, *form) -> Iterator[list]:
        """Follow the process, and keep each row as it is finished."""
        page, rows = str(request.session_hash), 0
        run, wish = self.running.get(page), self.wished(*form)
        with self.studio.device:  # A session whose page was loaded anew has lost its place in line.
            pass
        if run is None or run.stopped:
            yield [bar("Stopped", "before it began"), gr.skip()]
            return
        folder = self.studio.folder(self.studio.visitor(request.session_hash))
        out = folder / f"bench-{token_hex(8)}"
        try:
            for progress, finished in follow(run, wish.process(out)):
                if finished is not None and not run.stopped:
                    keep(folder, finished)
                    rows += 1
                yield [progress, rows]
        except UserError as error:
            yield [bar("Not finished", public(str(error))), gr.skip()]
            raise
        finally:
            if self.running.get(page) is run:
                del self.running[page]
            run.stop()
            shutil.rmtree(out, ignore_errors=True)

    def ended(self) -> list:
        return [gr.Button(interactive=True), gr.Button(interactive=False)]

    def halt(self, request: gr.Request) -> list:
        """Stop the visitor's own run now; the row that was being made is lost."""
        self.leave(request)
        return [bar(*STOPPED), *self.ended()]

    def leave(self, request: gr.Request) -> None:
        """The page was closed, or Stop pressed: nobody wants the rest."""
        run = self.running.pop(str(request.session_hash), None)
        if run:
            run.stop()
