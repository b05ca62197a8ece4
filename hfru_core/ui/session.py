"""The Unlearn tab: choose what to forget, start, watch, and take the adapter home."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from secrets import token_hex

import gradio as gr

from hfru_core.types import UnlearnConfig, UserError
from hfru_core.ui import words
from hfru_core.ui.compare import Compare, friendly
from hfru_core.ui.curves import loss_figure, reward_figure
from hfru_core.ui.hardware import on_gpu
from hfru_core.ui.own import Own
from hfru_core.ui.runner import Report, Run, Wish, follow, plan, seconds_for, zipped
from hfru_core.ui.studio import Studio
from hfru_core.world.language import PEOPLE_NAMES
from hfru_core.world.scenes import CLASSES

PRESETS = (("Default (this project)", "default"), ("Paper (HFRU)", "paper"))
SCOPES = (("Vision encoder", "encoder"), ("Encoder + projector", "encoder+projector"))
SHOWN = 9  # components that a report fills
OFTEN = 0.5  # seconds between two drawings of the curves
EMPTY = """<div class="empty"><b>Nothing has been forgotten yet</b>
Choose what the model shall forget, then press <i>Start</i>. You will see
<ol><li>stage 1 break the link between the picture and the name,</li>
<li>stage 2 reward honest, more general answers,</li>
<li>the answers to eight pictures change as it happens,</li>
<li>rates on fresh pictures, and an adapter to compare or to download.</li></ol></div>"""


class Unlearn:
    """The tab's components; `running` holds the sessions under way, by visitor."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.running: dict[str, Run] = {}
        self.follow = on_gpu(follow, seconds_for)
        self.finished = gr.State("")
        with gr.Row():
            with gr.Column(scale=4, min_width=280, elem_classes="still"):
                self.build_wish()
            with gr.Column(scale=9, min_width=300, elem_classes="still"):
                self.build_view()
        self.command = gr.Code(
            Wish(("dog",)).command(), language="shell", label="The same on the command line",
            interactive=False, lines=1, wrap_lines=True, show_line_numbers=False, elem_id="command",
            buttons=["copy"],
        )  # fmt: skip

    def build_wish(self) -> None:
        self.things = gr.CheckboxGroup(
            list(CLASSES), value=["dog"], label="Things to forget", elem_classes="concepts",
            elem_id="things",
        )  # fmt: skip
        self.people = gr.CheckboxGroup(
            list(PEOPLE_NAMES), label="People to forget (all invented)", elem_classes="concepts",
            elem_id="people",
        )  # fmt: skip
        self.own = Own(self.studio)
        with gr.Accordion("Settings", open=False):
            self.preset = gr.Radio(PRESETS, value="default", label="Recipe")
            self.steps = gr.Slider(
                2, 400, value=UnlearnConfig().steps, step=1, label="Steps of both stages",
                elem_id="steps",
            )  # fmt: skip
            self.seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**31 - 1)
            self.scope = gr.Radio(SCOPES, value="encoder", label="What is changed")
        with gr.Row():
            self.start = gr.Button("Start", variant="primary", elem_id="start")
            self.stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="stop")

    def build_view(self) -> None:
        self.status = gr.HTML(EMPTY, elem_id="status")
        with gr.Row(visible=False) as self.plots:
            self.rewards = gr.Plot(show_label=False, container=True, min_width=280)
            self.losses = gr.Plot(show_label=False, container=True, min_width=280)
        self.summary = gr.HTML(visible=False, elem_id="summary")
        with gr.Row(visible=False) as self.results:
            self.compare = gr.Button("Compare with this adapter", variant="primary")
            self.download = gr.DownloadButton("Download adapter", elem_id="download")
        self.probes = gr.HTML(elem_id="probes")

    def wire(self, page: gr.Blocks, tabs: gr.Tabs, compare: Compare) -> None:
        """Connect the events; training has its own queue of one, answers never wait for it."""
        private = {"api_visibility": "private", "show_progress": "hidden"}
        wish = [self.things, self.people, self.preset, self.seed, self.steps, self.scope,
                *self.own.parts]  # fmt: skip
        shown = [self.status, self.plots, self.rewards, self.losses, self.probes, self.summary,
                 self.results, self.download, self.finished]  # fmt: skip
        buttons = [self.start, self.stop]
        for part in wish:
            part.change(self.as_command, wish, self.command, **private)
        self.preset.input(self.recipe, self.preset, [self.steps, self.scope], **private)
        self.start.click(self.begin, wish, [self.status, *buttons], queue=False, **private).success(
            self.run, wish, shown, concurrency_id="device", concurrency_limit=1, **private
        ).then(self.ended, None, buttons, queue=False, **private)
        self.stop.click(self.halt, None, [self.status, self.stop], queue=False, **private)
        compare.opens_from(self.compare, self.finished, tabs)
        self.own.wire()
        page.unload(self.leave)

    def as_command(self, *form) -> str:
        return self.wished(form, "").command()

    def wished(self, form: tuple, visitor: str) -> Wish:
        """The form's values as a wish: a concept of one's own goes before what is ticked."""
        things, people, preset, seed, steps, scope, name, *_ = form
        wish = Wish((*things, *people), preset, int(seed or 0), int(steps), scope)
        if not (name or "").strip():
            return wish
        source = self.own.source(visitor, name) if visitor else "folder:PICTURES"
        return replace(wish, names=(name.strip(),), source=source)

    @friendly
    def recipe(self, preset: str) -> list:
        """The settings that a preset begins with."""
        config = plan(Wish(("dog",), preset, scope=None), self.studio.settings)[1]
        return [config.steps, config.scope]

    @friendly
    def begin(self, request: gr.Request, *form) -> list:
        """Check the wish and register the run, before it waits for its turn."""
        visitor = self.studio.visitor(request.session_hash)
        if visitor in self.running:
            raise UserError("A session of yours is under way: stop it first.")
        self.studio.check_room(visitor)
        wish = self.wished(form, visitor)
        if wish.source != "world":
            self.own.keep(visitor, *form[6:])
        plan(wish)
        self.running[visitor] = Run(self.studio.folder(visitor) / f"stop-{token_hex(8)}")
        waiting = status(Report("Waiting", "for the machine; one session runs at a time"))
        return [waiting, gr.Button(interactive=False), gr.Button(interactive=True)]

    @friendly
    def run(self, request: gr.Request, *form) -> Iterator[list]:
        """Follow the session; what is drawn is drawn at most about twice a second."""
        visitor = self.studio.visitor(request.session_hash)
        run = self.running.get(visitor)
        if run is None or run.left:
            yield [gr.skip()] * SHOWN
            return
        folder = self.studio.folder(visitor) / "runs"
        wish, drawn = self.wished(form, visitor), 0.0
        try:
            for report in self.follow(self.studio, run, wish, folder):
                if report.urgent or time.monotonic() - drawn > OFTEN:
                    drawn = time.monotonic()
                    yield self.render(report, run, visitor)
        except UserError as error:
            yield [status(Report("Not finished", str(error))), *[gr.skip()] * (SHOWN - 1)]
            raise
        finally:
            self.running.pop(visitor, None)

    def render(self, report: Report, run: Run, visitor: str) -> list:
        """A report as updates of the components."""
        config, done = report.config, report.after is not None
        if run.stopped and not done:
            report = stopping(report)
        curves, run.share = bool(report.events), report.share
        summary = words.summary_table(report.before, report.after, report.note) if done else ""
        file = self.studio.offered(zipped(self.studio, report.adapter, visitor)) if done else None
        return [
            status(report),
            gr.Row(visible=curves),
            reward_figure(report.events, config) if curves else None,
            loss_figure(report.events, config) if curves else None,
            probes(report),
            gr.HTML(summary, visible=done),
            gr.Row(visible=done),
            gr.DownloadButton(value=file),
            f"mine/{report.adapter.name}" if done else "",
        ]

    def ended(self, request: gr.Request) -> list:
        """However it ended, also where the queue was full: another one can be started."""
        self.running.pop(self.studio.visitor(request.session_hash), None)
        return [gr.Button(interactive=True), gr.Button(interactive=False)]

    def halt(self, request: gr.Request) -> list:
        """Stop the visitor's own session after its current step."""
        run = self.running.get(self.studio.visitor(request.session_hash))
        if run is None:
            return [gr.skip(), gr.Button(interactive=False)]
        run.stop()
        return [status(stopping(Report("", share=run.share))), gr.Button(interactive=False)]

    def leave(self, request: gr.Request) -> None:
        """The page was closed: nobody wants the result."""
        run = self.running.pop(self.studio.visitor(request.session_hash), None)
        if run:
            run.stop(left=True)


def stopping(report: Report) -> Report:
    """The report of a session that was told to stop and is about to."""
    return replace(report, title="Stopping", detail="the best adapter so far is kept")


def status(report: Report) -> str:
    """The bar with what is going on."""
    return (
        f'<div class="status" role="status"><div class="top"><b>{escape(report.title)}</b>'
        f"<span>{escape(report.detail)}</span></div>"
        f'<div class="bar"><i style="width:{100 * report.share:.1f}%"></i></div></div>'
    )


def probes(report: Report) -> str:
    """The fixed pictures with the answers before and now."""
    if not report.probes:
        return ""
    rows = [
        (p, words.Context(report.concepts, p.question, words.present_names(p.image)))
        for p in report.probes
    ]
    title = '<p class="asked">The same pictures: before, and at the last check</p>'
    return f'{title}<div class="scroll">{words.answer_table(rows, "Last check")}</div>'
