"""The Unlearn tab: choose what to forget, start, watch, and take the adapter home."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from secrets import token_hex

import gradio as gr

from hfru_core.types import UnlearnConfig, UserError
from hfru_core.ui import unfinished, words
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

    def build_unfinished(self) -> None:
        """Sessions that were cut off; hidden where there are none."""
        with gr.Row(visible=False, elem_id="unfinished") as self.cut_off:
            self.cut = gr.Dropdown([], label="Sessions that were cut off", scale=3,
                                   elem_id="cut-off")  # fmt: skip
            self.resume = gr.Button("Resume", scale=1, min_width=100, elem_id="resume")
            self.drop = gr.Button("Delete", scale=1, min_width=100, elem_id="drop")

    def build_view(self) -> None:
        self.build_unfinished()
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
        for button, begin, what in (
            (self.start, self.begin, wish), (self.resume, self.begin_again, self.cut),
        ):  # fmt: skip
            begun = button.click(begin, what, [self.status, *buttons], queue=False, **private)
            self.starts(begun, shown, buttons)
        self.stop.click(self.halt, None, [self.status, *buttons], queue=False, **private)
        cut_off = [self.cut_off, self.cut]
        page.load(self.offer_cut_off, None, cut_off, queue=False, **private)
        self.drop.click(self.delete, self.cut, cut_off, queue=False, **private)
        compare.opens_from(self.compare, self.finished, tabs)
        self.own.wire()
        page.unload(self.leave)

    def starts(self, begun: gr.events.Dependency, shown: list, buttons: list) -> None:
        """What follows on a session that was registered; while it waits, its place is shown."""
        seen = {"show_progress": "minimal", "show_progress_on": self.status}
        begun.success(
            self.run, None, shown, concurrency_id="device", concurrency_limit=1,
            api_visibility="private", **seen,
        ).then(
            self.ended, None, [*buttons, self.cut_off, self.cut], queue=False,
            api_visibility="private", show_progress="hidden",
        )  # fmt: skip

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
        visitor = self.idle(request)
        wish = self.wished(form, visitor)
        if wish.source != "world":
            self.own.keep(visitor, *form[6:])
        return self.registered(visitor, wish)

    @friendly
    def begin_again(self, name: str | None, request: gr.Request) -> list:
        """The same for a session that was cut off: it goes on from its checkpoint."""
        visitor = self.idle(request)
        work = self.cut_off_at(visitor, name)
        return self.registered(visitor, unfinished.kept(work), work)

    def idle(self, request: gr.Request) -> str:
        """The visitor; raises while a session of theirs is under way."""
        visitor = self.studio.visitor(request.session_hash)
        if visitor in self.running:
            raise UserError("A session of yours is under way: stop it first.")
        return visitor

    def registered(self, visitor: str, wish: Wish, work: Path | None = None) -> list:
        """A run that waits for its turn."""
        plan(wish)
        out = work and work.with_name(work.name.removesuffix(unfinished.PART))
        marker = self.studio.folder(visitor) / f"stop-{token_hex(8)}"
        self.running[visitor] = Run(marker, wish=wish, out=out)
        waiting = status(Report("Waiting", "for the machine; one session runs at a time"))
        return [waiting, gr.Button(interactive=False), gr.Button(interactive=True)]

    def cut_off_at(self, visitor: str, name: str | None) -> Path:
        """The folder of a session that was cut off; names of other folders lead nowhere."""
        runs = self.studio.folder(visitor) / "runs"
        if name not in [n for _, n in unfinished.labels(runs)]:
            raise UserError("That session is no longer here: reload the page and choose again.")
        return runs / name

    def offer_cut_off(self, request: gr.Request) -> list:
        """The sessions that were cut off, but for one that is under way."""
        visitor = self.studio.visitor(request.session_hash)
        found = unfinished.labels(self.studio.sessions / visitor / "runs")
        shown = bool(found) and visitor not in self.running
        return [gr.Row(visible=shown), gr.Dropdown(found, value=found[0][1] if found else None)]

    @friendly
    def delete(self, name: str | None, request: gr.Request) -> list:
        """Forget a session that was cut off."""
        shutil.rmtree(self.cut_off_at(self.idle(request), name), ignore_errors=True)
        return self.offer_cut_off(request)

    @friendly
    def run(self, request: gr.Request) -> Iterator[list]:
        """Follow the session; it is drawn at most about twice a second."""
        visitor = self.studio.visitor(request.session_hash)
        run = self.running.get(visitor)
        if run is None or run.left or run.begun:
            yield [gr.skip()] * SHOWN
            return
        folder = self.studio.folder(visitor) / "runs"
        run.begun, drawn = True, 0.0
        try:
            for report in self.follow(self.studio, run, run.wish, folder):
                if report.urgent or time.monotonic() - drawn > OFTEN:
                    drawn = time.monotonic()
                    yield self.render(report, run, visitor)
        except UserError as error:
            yield [status(Report("Not finished", str(error))), *[gr.skip()] * (SHOWN - 1)]
            raise
        finally:
            self.forget(visitor, run)

    def forget(self, visitor: str, run: Run) -> None:
        """It is over; another that was begun meanwhile stays."""
        if self.running.get(visitor) is run:
            del self.running[visitor]

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
        idle = [gr.Button(interactive=True), gr.Button(interactive=False)]
        return [*idle, *self.offer_cut_off(request)]

    def halt(self, request: gr.Request) -> list:
        """Stop the visitor's own session after its current step."""
        visitor = self.studio.visitor(request.session_hash)
        run = self.running.get(visitor)
        if run is None:
            return [gr.skip(), gr.skip(), gr.Button(interactive=False)]
        run.stop()
        if run.begun:
            told = stopping(Report("", share=run.share))
            return [status(told), gr.skip(), gr.Button(interactive=False)]
        self.forget(visitor, run)  # Its turn, when it comes, finds nothing to do.
        told = status(Report("Stopped", "before it began"))
        return [told, gr.Button(interactive=True), gr.Button(interactive=False)]

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
