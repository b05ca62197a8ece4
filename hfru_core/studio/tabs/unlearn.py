"""The Unlearn tab: choose what to forget, start, watch, and take the adapter home."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from secrets import token_hex

import gradio as gr

from hfru_core.files import PART
from hfru_core.studio.i18n.catalogue import marker, t
from hfru_core.studio.render import answers_html, commands
from hfru_core.studio.render.curves import loss_figure, reward_figure
from hfru_core.studio.render.progress import probes, status, stopping
from hfru_core.studio.server import browser
from hfru_core.studio.server.hardware import on_gpu
from hfru_core.studio.sessions import finished, interrupted
from hfru_core.studio.sessions.background import Watched
from hfru_core.studio.sessions.runner import Report, Run, Wish, follow, plan, seconds_for, zipped
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.compare import AT_ONCE, Compare, friendly
from hfru_core.studio.tabs.unlearn_form import Form
from hfru_core.types import UserError

# in the order of `compare.LEADS`
LEADS = ((("dog", "elephant"), ()), ((), ("Tobin Harrick", "Ilsa Torvane", "Dario Fent")), ((), ()))
SHOWN = 9  # components that a report fills
LOADING = 30.0  # seconds in which a page is there that has begun to load
GRACE = 3.0  # seconds in which a page that was closed may come back


class Unlearn:
    """The tab's components; `running` holds the sessions under way, by visitor, and `watched`
    what they tell."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.running: dict[str, Run] = {}
        self.watched: dict[str, Watched] = {}
        self.follow = on_gpu(follow, seconds_for)
        self.finished = gr.State("")
        with gr.Row():
            with gr.Column(scale=4, min_width=280, elem_classes="still"):
                self.form = Form(studio)
                self.build_start()
            with gr.Column(scale=9, min_width=300, elem_classes="still"):
                self.build_view()
        self.command = commands.shown("command", Wish(("dog",)).command())

    def build_start(self) -> None:
        with gr.Row():
            self.start = gr.Button(t("start"), variant="primary", elem_id="start")
            self.stop = gr.Button(t("stop"), variant="stop", interactive=False, elem_id="stop")

    def build_unfinished(self) -> None:
        """Sessions that were cut off; hidden where there are none."""
        with gr.Row(visible=False, elem_id="unfinished") as self.cut_off:
            self.cut = gr.Dropdown([], label=t("unlearn.cut"), scale=3, elem_id="cut-off")
            self.resume = gr.Button(t("unlearn.resume"), scale=1, min_width=100, elem_id="resume")
            self.drop = gr.Button(t("unlearn.drop"), scale=1, min_width=100, elem_id="drop")

    def build_view(self) -> None:
        self.past = gr.Dropdown(
            [], value=None, label=t("unlearn.past"), info=t("unlearn.past.info"), elem_id="past"
        )
        self.build_unfinished()
        self.status = gr.HTML(marker("unlearn.html"), elem_id="status")
        with gr.Row(visible=False) as self.plots:
            self.rewards = gr.Plot(show_label=False, container=True, min_width=280)
            self.losses = gr.Plot(show_label=False, container=True, min_width=280)
        self.summary = gr.HTML(visible=False, elem_id="summary")
        with gr.Row(visible=False) as self.results:
            self.compare = gr.Button(t("unlearn.compare"), variant="primary")
            self.download = gr.DownloadButton(t("unlearn.download"), elem_id="download")
        self.probes = gr.HTML(elem_id="probes")

    def wire(self, page: gr.Blocks, tab: gr.Tab, tabs: gr.Tabs, compare: Compare) -> None:
        """Connect the events; training has its own queue of one, answers never wait for it."""
        private = {"api_visibility": "private", "show_progress": "hidden"}
        form, wish = self.form, self.form.parts
        shown = [
            self.status,
            self.plots,
            self.rewards,
            self.losses,
            self.probes,
            self.summary,
            self.results,
            self.download,
            self.finished,
        ]
        buttons = [self.start, self.stop]
        for part in wish:
            part.change(self.as_command, wish, self.command, **private)
        form.preset.input(self.recipe, form.preset, [form.steps, form.scope], **private)
        for button, begin, what in (
            (self.start, self.begin, wish),
            (self.resume, self.begin_again, self.cut),
        ):
            begun = button.click(begin, what, [self.status, *buttons], **AT_ONCE, **private)
            self.starts(begun, shown, buttons)
        self.stop.click(self.halt, None, [self.status, *buttons], queue=False, **private)
        cut_off = [self.cut_off, self.cut]
        self.drop.click(self.delete, self.cut, cut_off, **AT_ONCE, **private)
        tab.select(self.offer, None, self.past, queue=False, **private)
        self.past.input(self.again, self.past, shown, **private)
        compare.opened_page.then(
            self.attach, None, [*shown, *buttons], concurrency_limit=None, **private
        )
        compare.opened_page.then(self.offer_cut_off, None, cut_off, queue=False, **private)
        compare.opens_from(self.compare, self.finished, tabs)
        filled = [tabs, form.things, form.people, form.own.form, form.own.name]
        for button, (things, people) in zip(compare.leads, LEADS):
            fill = partial(filled_in, things, people)
            button.click(fill, None, filled, queue=False, **private)
        form.own.wire()
        page.unload(self.leave)
        gr.api(self.back, api_name="back", api_visibility="undocumented", queue=False)

    def starts(self, begun: gr.events.Dependency, shown: list, buttons: list) -> None:
        """What follows on a session that was registered; while it waits, its place is shown."""
        seen = {"show_progress": "minimal", "show_progress_on": self.status}
        begun.success(
            self.run,
            None,
            shown,
            concurrency_id="device",
            concurrency_limit=1,
            api_visibility="private",
            **seen,
        ).then(
            self.ended,
            None,
            [*buttons, self.cut_off, self.cut],
            queue=False,
            api_visibility="private",
            show_progress="hidden",
        ).then(
            self.offer,
            None,
            self.past,
            queue=False,
            api_visibility="private",
            show_progress="hidden",
        )

    def as_command(self, *form) -> str:
        return self.form.wished(form, "").command()

    @friendly
    def recipe(self, preset: str) -> list:
        """The settings that a preset begins with."""
        config = plan(Wish(("dog",), preset, scope=None), self.studio.settings).config
        return [config.steps, config.scope]

    @friendly
    def begin(self, request: gr.Request, *form) -> list:
        """Check the wish and register the run, before it waits for its turn."""
        visitor = self.idle(request)
        self.studio.check_room(visitor)
        wish = self.form.wished(form, visitor)
        if wish.own:
            self.form.own.keep(visitor, *form[6:])
        return self.registered(visitor, wish)

    @friendly
    def begin_again(self, name: str | None, request: gr.Request) -> list:
        """The same for a session that was cut off: it goes on from its checkpoint."""
        visitor = self.idle(request)
        work = self.cut_off_at(visitor, name)
        return self.registered(visitor, interrupted.kept(work), work)

    def idle(self, request: gr.Request) -> str:
        """The visitor; raises while a session of theirs is under way."""
        visitor = self.studio.visitor(request.session_hash)
        if visitor in self.running:
            raise UserError("A session of yours is under way: stop it first.")
        return visitor

    def registered(self, visitor: str, wish: Wish, work: Path | None = None) -> list:
        """A run that waits for its turn."""
        plan(wish)
        out = work and work.with_name(work.name.removesuffix(PART))
        marker = self.studio.folder(visitor) / f"stop-{token_hex(8)}"
        self.running[visitor] = Run(marker, wish=wish, out=out)
        waiting = status(Report("Waiting", "for the machine; one session runs at a time"))
        return [waiting, gr.Button(interactive=False), gr.Button(interactive=True)]

    def cut_off_at(self, visitor: str, name: str | None) -> Path:
        """The folder of a session that was cut off; names of other folders lead nowhere."""
        runs = self.studio.folder(visitor) / "runs"
        if name not in [n for _, n in interrupted.labels(runs)]:
            raise UserError("That session is no longer here: reload the page and choose again.")
        return runs / name

    def offer_cut_off(self, request: gr.Request) -> list:
        """The sessions that were cut off, but for one that is under way."""
        visitor = self.studio.visitor(request.session_hash)
        found = interrupted.labels(self.studio.sessions / visitor / "runs")
        shown = bool(found) and visitor not in self.running
        return [gr.Row(visible=shown), gr.Dropdown(found, value=found[0][1] if found else None)]

    @friendly
    def delete(self, name: str | None, request: gr.Request) -> list:
        """Forget a session that was cut off."""
        shutil.rmtree(self.cut_off_at(self.idle(request), name), ignore_errors=True)
        return self.offer_cut_off(request)

    @friendly
    def run(self, request: gr.Request) -> Iterator[list]:
        """Start the session that `begin` registered, and watch it."""
        visitor = self.studio.visitor(request.session_hash)
        run = self.running.get(visitor)
        if run is None or run.left or run.begun:
            yield [gr.skip()] * SHOWN
            return
        folder = self.studio.folder(visitor) / "runs"
        run.begun = True
        steps = self.follow(self.studio, run, run.wish, folder)
        self.watched[visitor] = Watched(self.studio.device, steps)
        yield from self.watch(run, self.watched[visitor], visitor)

    def watch(self, run: Run, watched: Watched, visitor: str) -> Iterator[list]:
        """What there is to show, until the session is over."""
        for report in watched.reports():
            yield self.render(report, run, visitor)
        if watched.error:
            yield [status(Report("Not finished", watched.error)), *[gr.skip()] * (SHOWN - 1)]
            raise UserError(watched.error)

    @friendly
    def attach(self, request: gr.Request) -> Iterator[list]:
        """A page that was opened again watches the session that its browser had started."""
        visitor = self.studio.visitor(request.session_hash)
        run, watched = self.running.get(visitor), self.watched.get(visitor)
        if run is None or watched is None:
            yield [gr.skip()] * (SHOWN + 2)
            return
        busy = [gr.Button(interactive=False), gr.Button(interactive=True)]
        for shown in self.watch(run, watched, visitor):
            yield [*shown, *busy]
        yield [*[gr.skip()] * SHOWN, *self.ended(request)[:2]]

    def render(self, report: Report, run: Run, visitor: str) -> list:
        """A report as updates of the components."""
        done = report.after is not None
        if run.stopped and not done:
            report = stopping(report)
        run.share = report.share
        return self.drawn(report, visitor, f"mine/{report.adapter.name}" if done else "")

    def drawn(self, report: Report, visitor: str, name: str) -> list:
        """The same, with the name of the adapter where there is one."""
        config, curves = report.config, bool(report.events)
        rates = report.before, report.after, report.note
        summary = answers_html.summary_table(*rates) if name else ""
        file = self.studio.offered(zipped(self.studio, report.adapter, visitor)) if name else None
        return [
            status(report),
            gr.Row(visible=curves),
            reward_figure(report.events, config) if curves else None,
            loss_figure(report.events, config) if curves else None,
            probes(report),
            gr.HTML(summary, visible=bool(name)),
            gr.Row(visible=bool(name)),
            gr.DownloadButton(value=file),
            name,
        ]

    # Sessions that are over

    def offer(self, request: gr.Request) -> gr.Dropdown:
        """The finished sessions there are now."""
        return gr.Dropdown(finished.labels(self.studio, self.studio.visitor(request.session_hash)))

    @friendly
    def again(self, name: str | None, request: gr.Request) -> list:
        """A finished session's curves and rates, from its record."""
        visitor = self.studio.visitor(request.session_hash)
        folder = self.studio.adapter(visitor, name)
        if folder is None:
            return [gr.skip()] * SHOWN
        return self.drawn(finished.report_of(folder), visitor, name)

    def ended(self, request: gr.Request) -> list:
        """However it ended, also where the queue was full: another one can be started."""
        visitor = self.studio.visitor(request.session_hash)
        watched = self.watched.get(visitor)
        if watched is None or watched.over.is_set():
            self.forget(visitor, self.running.get(visitor))
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

    def back(self, token: str) -> None:
        """A browser has begun to load a page: its session goes on until the page is there."""
        if browser.valid(token):
            page = browser.COMING + token_hex(8)
            self.studio.pages.arrive(page, token)
            threading.Timer(LOADING, self.abandon, (page,)).start()

    def leave(self, request: gr.Request) -> None:
        """The page was closed; a page that is only loaded again is back within moments."""
        threading.Timer(GRACE, self.abandon, (request.session_hash,)).start()

    def abandon(self, session_hash: str) -> None:
        """Nobody wants the result, where no page of that browser is open any more."""
        visitor = self.studio.visitor(session_hash)
        self.studio.pages.leave(session_hash)
        run = self.running.get(visitor)
        # What only waits has lost its place with its page.
        if run and (visitor not in self.watched or not self.studio.pages.present(visitor)):
            run.stop(left=True)
            self.forget(visitor, run)

    def forget(self, visitor: str, run: Run | None) -> None:
        """Another session can be begun; one that was begun meanwhile stays."""
        if self.running.get(visitor) is run:
            self.running.pop(visitor, None)
            self.watched.pop(visitor, None)


def filled_in(things: tuple[str, ...], people: tuple[str, ...]) -> list:
    """This tab, with what is to be forgotten ticked; with nothing, the form for one's own opens."""
    form = gr.Accordion(open=not (things or people))
    return [gr.Tabs(selected="unlearn"), list(things), list(people), form, ""]
