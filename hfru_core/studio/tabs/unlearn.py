"""The Unlearn tab: choose what to forget, start, watch, and download the adapter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency

from hfru_core.files import PART
from hfru_core.studio.errors import friendly, public
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.render import commands
from hfru_core.studio.render.progress import status, stopping
from hfru_core.studio.sessions import finished, interrupted
from hfru_core.studio.sessions.asking import are_photographs
from hfru_core.studio.sessions.background import Watched
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.runner import Report, Run, plan
from hfru_core.studio.sessions.running import Sessions
from hfru_core.studio.tabs.compare import Compare
from hfru_core.studio.tabs.events import AT_ONCE, DEVICE, PRIVATE, always
from hfru_core.studio.tabs.unlearn_form import Form
from hfru_core.studio.tabs.unlearn_interrupted import Interrupted
from hfru_core.studio.tabs.unlearn_view import View
from hfru_core.types import UserError

# What the buttons of the Compare tab tick, in the order of `compare.LEADS`.
WAITING = Report("Waiting", "for the machine; one session runs at a time")
LEADS = ((("dog", "elephant"), ()), ((), ("Tobin Harrick", "Ilsa Torvane", "Dario Fent")), ((), ()))


class Unlearn:
    """The form, the view of a session and what happens between them."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions, self.studio = sessions, sessions.studio
        with gr.Row():
            with gr.Column(scale=4, min_width=280, elem_classes="still"):
                self.form = Form(self.studio)
                with gr.Row():
                    self.start = gr.Button(t("start"), variant="primary", elem_id="start")
                    self.stop = gr.Button(
                        t("stop"), variant="stop", interactive=False, elem_id="stop"
                    )
            with gr.Column(scale=9, min_width=300, elem_classes="still"):
                self.past = gr.Dropdown(
                    [],
                    value=None,
                    label=t("unlearn.past"),
                    info=t("unlearn.past.info"),
                    elem_id="past",
                )
                self.interrupted = Interrupted(sessions)
                self.view = View(self.studio)
        self.command = commands.code("command", Wish(("dog",)).command())

    # Events

    def wire(self, page: gr.Blocks, tab: gr.Tab, tabs: gr.Tabs, compare: Compare) -> None:
        """Connect the events; training has its own queue of one, answers never wait for it."""
        self.wire_form()
        self.wire_session()
        self.wire_compare(tabs, compare)
        tab.select(self.offer, None, self.past, queue=False, **PRIVATE)
        self.past.input(self.again, self.past, self.view.outputs, **PRIVATE)
        self.interrupted.wire()
        gr.api(
            self.studio.pages.come_back,
            api_name="back",
            api_visibility="undocumented",
            queue=False,
        )

    def wire_form(self) -> None:
        form = self.form
        changes = [part.change for part in form.parts]  # one event: the last change is told last
        told = self.as_command, form.parts, self.command
        gr.on(changes, *told, trigger_mode="always_last", **PRIVATE)
        form.preset.input(self.recipe, form.preset, [form.steps, form.scope], **PRIVATE)
        form.own.wire()

    def wire_session(self) -> None:
        state = [self.view.status, self.start, self.stop]
        begun = self.start.click(self.begin, self.form.parts, state, **AT_ONCE)
        self.follows(begun)
        resumed = self.interrupted.resume.click(
            self.begin_again, self.interrupted.choice, state, **AT_ONCE
        )
        self.follows(resumed)
        self.stop.click(self.halt, None, state, queue=False, **PRIVATE)

    def follows(self, registered: Dependency) -> None:
        """What follows on a session that was registered; while it waits, its place is shown."""
        ended = [self.start, self.stop, *self.interrupted.outputs]
        ran = registered.success(
            self.run,
            None,
            self.view.outputs,
            show_progress="minimal",
            show_progress_on=self.view.status,
            **DEVICE,
        )
        always(ran, self.ended, None, ended, queue=False, **PRIVATE)
        always(ran, self.offer, None, self.past, queue=False, **PRIVATE)

    def wire_compare(self, tabs: gr.Tabs, compare: Compare) -> None:
        """The ways from the Compare tab to this one and back."""
        outputs = [*self.view.outputs, self.start, self.stop]
        compare.opened_page.then(self.attach, None, outputs, **AT_ONCE)
        compare.opened_page.then(
            self.interrupted.offer, None, self.interrupted.outputs, queue=False, **PRIVATE
        )
        compare.opens_from(self.view.compare, self.view.finished, tabs)
        form = self.form
        filled = [tabs, form.things, form.people, form.own.form, form.own.name]
        for button, (things, people) in zip(compare.leads, LEADS):
            fill = partial(filled_in, things, people)
            button.click(fill, None, filled, queue=False, **PRIVATE)

    # The form

    def as_command(self, *form: Any) -> str:
        return self.form.wished(form, "").command()

    @friendly
    def recipe(self, preset: str) -> list[Any]:
        """The settings that a preset begins with."""
        config = plan(Wish(("dog",), preset, scope=None), self.studio.settings).config
        return [config.steps, config.scope]

    # A session

    @friendly
    def begin(self, request: gr.Request, *form: Any) -> list[Any]:
        """Check the wish and register the session, before it waits for its turn."""
        visitor = self.studio.visitor(request.session_hash)
        self.sessions.check_idle(visitor)
        self.studio.check_room(visitor)
        wish = self.form.wished(form, visitor)
        if wish.own:
            self.form.own.keep(visitor, *form[6:])
            pictures = sorted(self.form.own.folder(visitor, wish.names[0]).glob("*/*.png"))
            wish = replace(wish, photo=are_photographs(self.studio, pictures))
        return self.registered(visitor, wish)

    @friendly
    def begin_again(self, name: str | None, request: gr.Request) -> list[Any]:
        """Register an interrupted session: it goes on from its checkpoint."""
        visitor = self.studio.visitor(request.session_hash)
        self.sessions.check_idle(visitor)
        work = self.interrupted.folder(visitor, name)
        wish = interrupted.kept(work)
        if wish is None:
            raise UserError("That session is no longer here: reload the page and choose again.")
        return self.registered(visitor, wish, work.with_name(work.name.removesuffix(PART)))

    def registered(self, visitor: str, wish: Wish, out: Path | None = None) -> list[Any]:
        plan(wish)
        self.sessions.register(visitor, wish, out)
        return [status(WAITING), *buttons(busy=True)]

    @friendly
    def run(self, request: gr.Request) -> Iterator[list[Any]]:
        """Start the session that `begin` registered, and watch it."""
        visitor = self.studio.visitor(request.session_hash)
        run, watched = self.started(visitor)
        if run is None or watched is None:
            yield self.view.unchanged()
            return
        yield from self.watch(run, watched, visitor)

    def started(self, visitor: str) -> tuple[Run | None, Watched[Report] | None]:
        """The visitor's session, started now if it wasn't: it may have lost its place in line."""
        watched = self.sessions.start(visitor) or self.sessions.watched.get(visitor)
        return self.sessions.runs.get(visitor), watched

    def watch(self, run: Run, watched: Watched[Report], visitor: str) -> Iterator[list[Any]]:
        """Updates until the session is over."""
        for report in watched.reports():
            yield self.render(report, run, visitor) if report else self.view.unchanged()
        if watched.error:
            yield self.view.state(Report("Not finished", public(watched.error)))
            raise UserError(watched.error)

    @friendly
    def attach(self, request: gr.Request) -> Iterator[list[Any]]:
        """A page that was opened again watches the session that its browser had started."""
        visitor = self.studio.visitor(request.session_hash)
        run, watched = self.started(visitor)
        if run is None or watched is None:
            yield [*self.view.unchanged(), gr.skip(), gr.skip()]
            return
        try:
            yield [*self.view.state(WAITING), *buttons(busy=True)]
            for updates in self.watch(run, watched, visitor):
                yield [*updates, *buttons(busy=True)]
        finally:
            self.sessions.end(visitor)
        yield [*self.view.unchanged(), *buttons(busy=False)]

    def render(self, report: Report, run: Run, visitor: str) -> list[Any]:
        """A report of a running session as updates of the view."""
        done = report.after is not None and report.adapter is not None
        if run.stopped and not done:
            report = stopping(report)
        run.share = report.share
        name = f"mine/{report.adapter.name}" if done and report.adapter else ""
        return self.view.updates(report, visitor, name)

    def ended(self, request: gr.Request) -> list[Any]:
        """Another one can be started, unless this page's events ended before the session did."""
        visitor = self.studio.visitor(request.session_hash)
        self.sessions.end(visitor)
        return [*buttons(busy=visitor in self.sessions.runs), *self.interrupted.offer(request)]

    def halt(self, request: gr.Request) -> list[Any]:
        """Stop the visitor's own session after its current step."""
        visitor = self.studio.visitor(request.session_hash)
        run = self.sessions.runs.get(visitor)
        if run is None:
            return [gr.skip(), gr.skip(), gr.Button(interactive=False)]
        run.stop()
        if run.begun:
            state = status(stopping(Report("", share=run.share)))
            return [state, gr.skip(), gr.Button(interactive=False)]
        self.sessions.forget(visitor, run)  # Its turn, when it comes, finds nothing to do.
        return [status(Report("Stopped", "before it began")), *buttons(busy=False)]

    # Sessions that are over

    def offer(self, request: gr.Request) -> gr.Dropdown:
        """The finished sessions there are now."""
        return gr.Dropdown(finished.labels(self.studio, self.studio.visitor(request.session_hash)))

    @friendly
    def again(self, name: str | None, request: gr.Request) -> list[Any]:
        """A finished session's curves and rates, from its record."""
        visitor = self.studio.visitor(request.session_hash)
        folder = self.studio.adapter(visitor, name)
        if folder is None or name is None:
            return self.view.unchanged()
        return self.view.updates(finished.report_of(folder), visitor, name)


def buttons(busy: bool) -> list[gr.Button]:
    """Start and Stop: one of them can be pressed."""
    return [gr.Button(interactive=not busy), gr.Button(interactive=busy)]


def filled_in(things: tuple[str, ...], people: tuple[str, ...]) -> list[Any]:
    """This tab, with what is to be forgotten ticked; with nothing, the form for one's own opens."""
    form = gr.Accordion(open=not (things or people))
    return [gr.Tabs(selected="unlearn"), list(things), list(people), form, ""]
