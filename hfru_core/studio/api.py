"""The endpoints for programs: gradio_client, plain HTTP or MCP.

A client is a visitor like a page: the same queues, quotas and folder of its own. The docstrings
are what the API page and MCP show. Gradio reads the annotations, so they are not postponed here.
"""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import gradio as gr
from gradio_client.utils import is_file_obj_with_meta
from PIL import Image

from audit.report.json_file import read
from hfru_core.concepts import shipped
from hfru_core.data.images import open_image
from hfru_core.studio.errors import friendly
from hfru_core.studio.server.uploads import Uploads
from hfru_core.studio.sessions import audit_run
from hfru_core.studio.sessions.adapters import adapter_label, concepts_of
from hfru_core.studio.sessions.asking import ask
from hfru_core.studio.sessions.everything import Everything
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.processes import Processes
from hfru_core.studio.sessions.runner import Report, plan, zipped
from hfru_core.studio.sessions.running import MOST_STEPS, Sessions
from hfru_core.studio.tabs.compare import LONGEST
from hfru_core.studio.tabs.events import ANSWERING, DEVICE, WORKING
from hfru_core.types import UserError

PUBLIC = {"api_visibility": "public"}
LEVELS = ("standard", "deep")


class Api:
    """The named endpoints; the tabs have the same sessions, audits and bench runs."""

    def __init__(
        self, sessions: Sessions, audits: Processes[audit_run.Progress], benches: Processes
    ) -> None:
        self.sessions, self.studio, self.audits = sessions, sessions.studio, audits
        self.everything = Everything(sessions, (audits, benches))

    def wire(self) -> None:
        """Put the endpoints on the page; what takes long waits in the queue of one."""
        answers, files, device = ANSWERING | PUBLIC, WORKING | PUBLIC, DEVICE | PUBLIC
        gr.api(self.describe, api_name="describe", **answers)
        gr.api(self.unlearn, api_name="unlearn", **device)
        gr.api(self.audit, api_name="audit", **device)
        gr.api(self.list_adapters, api_name="list_adapters", **files)
        gr.api(self.fetch_adapter, api_name="fetch_adapter", **files)
        gr.api(self.delete_adapter, api_name="delete_adapter", **files)
        gr.api(self.delete_everything, api_name="delete_everything", **files)

    @friendly
    def describe(
        self,
        request: gr.Request,
        picture: gr.FileData,
        question: str = "What is it?",
        adapter: str = "",
    ) -> dict:
        """Ask the original and the unlearned model the same question about a picture.

        Parameters:
            picture: the picture (PNG, JPEG, WebP, BMP, GIF or TIFF, up to 10 MB), as an upload
            question: what to ask about it, at most 200 letters
            adapter: a name that list_adapters gives; the first one where it is empty
        Returns:
            adapter, question, and the two answers: original, unlearned (None is not asked)
            remark: why the answers mean little, misfit: why the adapter has none (else empty)
        """
        visitor = self.studio.visitor(request.session_hash)
        text = line(question, "question")[:LONGEST]
        name, folder = self.chosen(visitor, adapter)
        image = opened(self.studio.uploads, picture, visitor)
        said = ask(self.studio, "", image, text, folder)
        return {"adapter": name, "question": text, **asdict(said)}

    @friendly
    def unlearn(
        self, request: gr.Request, concepts: list[str], preset: str = "default", steps: int = 100
    ) -> Iterator[dict]:
        """Make the model forget concepts; streams the progress and ends with the adapter.

        One session runs at a time, the others wait in a queue. A client that leaves ends its own.

        Parameters:
            concepts: names such as ["dog", "elephant"] or ["Mara Velden"]
            preset: "default", "deep" (leaves less behind) or "paper" (as published, in short form)
            steps: steps of both stages together, 2 to 400
        Returns:
            title, detail and share (0 to 1) of what is done
            in the last one also: adapter (its name), file (its zip), rates (with 95 % intervals)
        """
        visitor = self.studio.visitor(request.session_hash)
        wish = Wish(names(concepts), line(preset, "preset"), steps=number(steps))
        plan(wish)
        self.sessions.check_idle(visitor)
        self.studio.check_room(visitor)
        run = self.sessions.register(visitor, wish, begun=True)
        folder = self.sessions.folder(visitor)
        try:
            with self.studio.device:  # A session whose page was loaded anew has lost its place.
                for report in self.sessions.follow(self.studio, run, wish, folder):
                    yield self.values(report, visitor)
        finally:
            self.sessions.forget(visitor, run)

    def values(self, report: Report, visitor: str) -> dict:
        """A report as plain values."""
        state = {"title": report.title, "detail": report.detail, "share": round(report.share, 4)}
        if report.after is None or report.adapter is None:
            return state
        file = file_data(self.studio.offered(zipped(self.studio, report.adapter, visitor), visitor))
        name = f"mine/{report.adapter.name}"
        return {**state, "adapter": name, "file": file, "rates": asdict(report.after)}

    @friendly
    def audit(
        self, request: gr.Request, adapter: str = "", level: str = "standard"
    ) -> Iterator[dict]:
        """Look for what an adapter left behind; streams the progress and ends with the verdict.

        It waits in the same queue as sessions. A client that leaves ends its own.

        Parameters:
            adapter: a name that list_adapters gives; the first one where it is empty
            level: "standard" (a minute or two) or "deep" (four or more, with attacks that train)
        Returns:
            title, detail and share (0 to 1) of what is done
            in the last one also: verdict (clear, leak, damaged, inconclusive or borderline),
            reasons, report
        """
        visitor = self.studio.visitor(request.session_hash)
        _, folder = self.chosen(visitor, adapter)
        if level not in LEVELS:
            raise UserError(f"level is one of {', '.join(LEVELS)}, got {level!r:.40}.")
        self.studio.check_space(visitor)
        steps = partial(audit_run.audit, self.studio, visitor, folder, level)
        process = self.audits.register(visitor, steps)
        try:
            for progress in self.audits.reports(visitor):
                if progress:
                    yield self.told(progress, visitor)
        finally:
            self.audits.end(visitor, process)

    def told(self, progress: audit_run.Progress, visitor: str) -> dict:
        """The progress of an audit as plain values; raises where it ends without a report."""
        if progress.ended:
            raise UserError(": ".join(progress.ended))
        if progress.report:
            return self.verdict(progress.report, visitor)
        title, detail = progress.title_and_detail()
        return {"title": title, "detail": detail, "share": round(progress.share, 4)}

    def verdict(self, out: Path, visitor: str) -> dict:
        """The end of an audit that has a report."""
        verdict = read(out / "report.json").verdict
        return {
            "title": "Done",
            "detail": "the report is written",
            "share": 1.0,
            "verdict": verdict.state,
            "reasons": list(verdict.reasons),
            "report": file_data(self.studio.offered(out / "report.html", visitor)),
        }

    @friendly
    def list_adapters(self, request: gr.Request) -> list[dict]:
        """The adapters that you may use: those that come with the app and your own.

        Returns:
            name (for the other endpoints), label, and forgets: the names of the concepts
        """
        visitor = self.studio.visitor(request.session_hash)
        return [
            {"name": n, "label": adapter_label(p), "forgets": [c.name for c in concepts_of(p)]}
            for n, p in self.studio.choices(visitor).items()
        ]

    @friendly
    def fetch_adapter(self, request: gr.Request, adapter: str) -> gr.FileData:
        """One adapter as a zip; unpacked, its folder loads in PEFT.

        Parameters:
            adapter: a name that list_adapters gives
        Returns:
            the zip file
        """
        visitor = self.studio.visitor(request.session_hash)
        _, folder = self.chosen(visitor, line(adapter, "adapter"))
        file = self.studio.offered(zipped(self.studio, folder, visitor), visitor)
        return cast(gr.FileData, file_data(file))  # Gradio takes it as a dict.

    @friendly
    def delete_adapter(self, request: gr.Request, adapter: str) -> str:
        """Delete one of your own adapters, with the pictures that it was made from.

        Parameters:
            adapter: a name that list_adapters gives
        Returns:
            the name
        """
        visitor = self.studio.visitor(request.session_hash)
        name, folder = self.chosen(visitor, line(adapter, "adapter"))
        self.studio.delete_adapter(visitor, folder)
        return name

    @friendly
    def delete_everything(self, request: gr.Request) -> list[dict]:
        """End what you have under way, and delete all that you sent or made.

        Returns:
            the adapters that are still there: those that come with the app
        """
        self.everything.delete(str(request.session_hash))
        return self.list_adapters(request)

    def chosen(self, visitor: str, name: str) -> tuple[str, Path]:
        """The adapter of a name that is this visitor's to use, or the first for none."""
        if not isinstance(name, str):
            raise UserError(f"adapter is a name, got {name!r:.40}.")
        choices = self.studio.choices(visitor)
        name = name or next(iter(choices), "")
        if name not in choices:
            raise UserError(f"There is no adapter {name!r:.80} for you: list_adapters tells which.")
        return name, choices[name]


def opened(uploads: Uploads, picture: Any, visitor: str) -> Image.Image:
    """A picture that this visitor sent; its file is deleted."""
    if not is_file_obj_with_meta(picture):  # Only what has this mark was checked by Gradio.
        raise UserError("picture is an upload: use gradio_client.handle_file.")
    with uploads.taken(picture["path"], visitor) as file:
        return open_image(file.read_bytes())


def file_data(path: str) -> dict:
    return {"path": path, "orig_name": Path(path).name, "meta": {"_type": "gradio.FileData"}}


def line(value: object, what: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{what} is a text that is not empty, got {value!r:.40}.")
    return value.strip()


def number(steps: object) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int) or not 2 <= steps <= MOST_STEPS:
        raise UserError(f"steps is a whole number from 2 to {MOST_STEPS}, got {steps!r:.40}.")
    return steps


def names(concepts: object) -> tuple[str, ...]:
    known = len(shipped())
    if not isinstance(concepts, list) or not 1 <= len(concepts) <= known:
        raise UserError(f"concepts is a list of 1 to {known} names, got {concepts!r:.40}.")
    return tuple(line(name, "each of concepts") for name in concepts)
