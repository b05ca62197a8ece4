"""Start and Stop of a visitor's process, and its state, on each page of theirs that watches it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from hfru_core.child_process import Child
from hfru_core.studio.errors import friendly, public
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.render.progress import bar
from hfru_core.studio.sessions.processes import Processes
from hfru_core.studio.tabs.events import AT_ONCE, DEVICE, PRIVATE
from hfru_core.types import UserError

WAITING = bar("Waiting", "for the machine; one run, audit or session at a time")


class Shown(Protocol):
    """What a process tells."""

    def html(self) -> str: ...


Progress = TypeVar("Progress", bound=Shown)


class StartStop(Generic[Progress]):
    """The two buttons and the state; `result` makes of what a visitor's process tells the value
    of one more component, `stopped` says how it looks when it was stopped."""

    def __init__(
        self,
        processes: Processes[Progress],
        name: str,
        start: str,
        result: Callable[[Progress], object],
        stopped: tuple[str, str],
    ) -> None:
        self.processes, self.studio = processes, processes.studio
        self.result, self.stopped = result, stopped
        with gr.Row():
            self.start = gr.Button(start, variant="primary", elem_id=f"{name}-start")
            self.stop = gr.Button(
                t("stop"), variant="stop", interactive=False, elem_id=f"{name}-stop"
            )
        self.status = gr.HTML(elem_id=f"{name}-status")

    def wire(
        self, begin: Callable[..., Any], form: list[Any], result: Component, opened: Dependency
    ) -> None:
        """Connect the events: `begin` registers a process, a page that was `opened` watches the
        one under way."""
        buttons = [self.start, self.stop]
        state = [self.status, *buttons]
        self.began = self.start.click(begin, form, state, **AT_ONCE)
        ran = self.began.success(
            self.run,
            None,
            [self.status, result],
            show_progress="minimal",
            show_progress_on=self.status,  # its place in the queue
            **DEVICE,
        )
        ran.then(self.ended, None, buttons, queue=False, **PRIVATE)
        ran.failure(self.failed, None, buttons, queue=False, **PRIVATE)
        self.stop.click(self.halt, None, state, queue=False, **PRIVATE)
        opened.then(self.attach, None, [self.status, result, *buttons], **AT_ONCE)

    def registered(self, visitor: str, steps: Callable[[Child], Iterator[Progress]]) -> list[Any]:
        """Register a process before it waits for its turn; the state."""
        self.processes.register(visitor, steps)
        return [WAITING, *self.buttons(visitor)]

    @friendly
    def run(self, request: gr.Request) -> Iterator[list[Any]]:
        """Start what was registered, and watch it to its end."""
        visitor = self.studio.visitor(request.session_hash)
        if visitor not in self.processes.by_visitor:
            yield [bar("Stopped", "before it began"), gr.skip()]
            return
        yield from self.watch(visitor)

    def watch(self, visitor: str) -> Iterator[list[Any]]:
        """The state and the result as they come."""
        try:
            for progress in self.processes.reports(visitor):
                yield [progress.html(), self.result(progress)] if progress else [gr.skip()] * 2
        except UserError as error:
            yield [bar("Not finished", public(str(error))), gr.skip()]
            raise

    @friendly
    def attach(self, request: gr.Request) -> Iterator[list[Any]]:
        """A page that was opened again watches what its browser had started."""
        visitor = self.studio.visitor(request.session_hash)
        if visitor not in self.processes.by_visitor:
            yield [gr.skip()] * 4
            return
        yield [WAITING, gr.skip(), *self.buttons(visitor)]
        for told in self.watch(visitor):
            yield [*told, *self.buttons(visitor)]
        yield [gr.skip(), gr.skip(), *self.buttons(visitor)]

    def ended(self, request: gr.Request) -> list[Any]:
        return self.buttons(self.studio.visitor(request.session_hash))

    def failed(self, request: gr.Request) -> list[Any]:
        """It ended by an error, or the queue was full: another one can be started."""
        self.processes.forget_waiting(self.studio.visitor(request.session_hash))
        return self.ended(request)

    def halt(self, request: gr.Request) -> list[Any]:
        """Stop the visitor's own process now."""
        visitor = self.studio.visitor(request.session_hash)
        self.processes.stop(visitor)
        return [bar(*self.stopped), *self.buttons(visitor)]

    def buttons(self, visitor: str) -> list[Any]:
        """Start and Stop: one of them can be pressed."""
        busy = self.processes.busy(visitor)
        return [gr.Button(interactive=not busy), gr.Button(interactive=busy)]
