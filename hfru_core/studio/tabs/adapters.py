"""The Adapters tab: what each adapter is; bring one in, take one away, make others of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr

from hfru_core.adapters.record import STRONGEST
from hfru_core.data.source import load_image
from hfru_core.studio.errors import friendly, public
from hfru_core.studio.examples import example_for, presets
from hfru_core.studio.i18n.catalogue import t, waiting
from hfru_core.studio.render import answers_html, commands
from hfru_core.studio.render.adapter_html import facts, measured
from hfru_core.studio.server import browser
from hfru_core.studio.sessions.adapters import forgotten
from hfru_core.studio.sessions.asking import NO_PICTURES
from hfru_core.studio.sessions.everything import Everything
from hfru_core.studio.sessions.models import answer_at, base_model, fresh_model
from hfru_core.studio.sessions.reports import paths
from hfru_core.studio.sessions.runner import zipped
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.compare import Compare, display_image
from hfru_core.studio.tabs.confirmed import Confirmed
from hfru_core.studio.tabs.events import ANSWERING, AT_ONCE, QUIET, WORKING
from hfru_core.types import UserError

OFF = gr.InputHTMLAttributes(autocomplete="off")


class Adapters:
    """The tab's components; what a visitor brings or makes lies in their own folder."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Row():
            with gr.Column(scale=4, min_width=280, elem_classes="still"):
                self.build_list()
                self.build_hub()
            with gr.Column(scale=9, min_width=300, elem_classes="still"):
                self.facts = gr.HTML(waiting("adapters.loading"), elem_id="adapter-facts")
                self.build_strength()
                self.rates = gr.HTML(elem_id="adapter-rates")
                self.build_makers()
                self.command = commands.code("adapter-command", commands.adapter(None, 1, ()))

    def build_list(self) -> None:
        self.chosen = gr.Radio([], label=t("tab.adapters"), elem_id="adapter-list")
        with gr.Row():
            self.compare = gr.Button(
                t("tab.compare"), variant="primary", min_width=100, elem_id="adapter-compare"
            )
            self.download = gr.DownloadButton(
                t("adapters.download"), min_width=100, elem_id="adapter-download"
            )
        self.upload = gr.UploadButton(
            t("adapters.upload"), file_types=[".zip"], elem_id="adapter-upload"
        )
        self.remove = Confirmed("adapter")
        self.everything = Confirmed("all")

    def build_hub(self) -> None:
        with gr.Accordion(t("hub"), open=False) as self.hub:
            self.token = gr.Textbox(
                label=t("hub.token"),
                type="password",
                max_lines=1,
                elem_id="hub-token",
                info=t("hub.token.info"),
                html_attributes=OFF,
            )
            self.repo = gr.Textbox(
                label=t("hub.repo"), placeholder="owner/name", max_lines=1, elem_id="hub-repo"
            )
            self.revision = gr.Textbox(
                label=t("hub.revision"),
                placeholder=t("hub.newest"),
                max_lines=1,
                elem_id="hub-revision",
            )
            self.private = gr.Checkbox(True, label=t("hub.private"), elem_id="hub-private")
            with gr.Row():
                self.pull = gr.Button(t("hub.pull"), min_width=80, elem_id="hub-pull")
                self.push = gr.Button(t("hub.push"), min_width=80, elem_id="hub-push")
            self.pushed = gr.HTML(elem_id="hub-pushed")

    def build_strength(self) -> None:
        with gr.Row(elem_classes="strength"):
            self.image = gr.Image(
                display_image(example_for(())),
                interactive=False,
                show_label=False,
                buttons=[],
                height=150,
                scale=0,
                min_width=150,
                elem_id="strength-picture",
                alt_text="An example picture",
            )
            with gr.Column(min_width=240):
                self.strength = gr.Slider(
                    0,
                    STRONGEST,
                    value=1.0,
                    step=0.05,
                    label=t("strength"),
                    info=t("strength.info"),
                    elem_id="strength",
                )
                self.keep = gr.Button(t("strength.keep"), size="sm", elem_id="strength-keep")
        self.cards = gr.HTML(elem_id="strength-cards")

    def build_makers(self) -> None:
        with gr.Accordion(t("stack"), open=False):
            self.several = gr.CheckboxGroup([], label=t("stack.info"), elem_id="stack-list")
            self.stack = gr.Button(t("stack.do"), elem_id="stack")
        with gr.Accordion(t("merge"), open=False):
            gr.Markdown(t("merge.why"))
            with gr.Row():
                self.merge = gr.Button(t("merge.do"), elem_id="merge")
                self.merged = gr.DownloadButton(
                    t("merge.download"), visible=False, elem_id="merged"
                )

    def wire(self, tab: gr.Tab, tabs: gr.Tabs, compare: Compare) -> None:
        """Connect the events; whatever brings a new adapter chooses it, and a choice shows it."""
        lists = [self.chosen, self.several]
        view = [
            self.facts,
            self.rates,
            self.download,
            self.image,
            self.strength,
            self.cards,
            self.merged,
        ]
        quiet = QUIET
        tab.select(self.offer, self.chosen, lists, **quiet, **ANSWERING)
        self.chosen.change(self.show, self.chosen, view, **quiet, **ANSWERING)
        self.strength.release(
            self.answer, [self.chosen, self.strength], self.cards, **quiet, **ANSWERING
        )
        compare.opens_from(self.compare, self.chosen, tabs)
        self.upload.upload(self.uploaded, self.upload, lists, **WORKING)
        self.pull.click(
            self.pulled, [self.repo, self.revision, self.token], [*lists, self.token], **WORKING
        )
        self.push.click(
            self.pushes,
            [self.chosen, self.repo, self.private, self.token],
            [self.pushed, self.token],
            **WORKING,
        )
        self.keep.click(self.keeps, [self.chosen, self.strength], lists, **WORKING)
        self.stack.click(self.stacked, self.several, lists, **WORKING)
        gr.on(
            [self.chosen.change, self.strength.change, self.several.change],
            commands.adapter,
            [self.chosen, self.strength, self.several],
            self.command,
            queue=False,
            **quiet,
            api_visibility="private",
        )
        self.merge.click(self.merges, self.chosen, self.merged, **WORKING)
        self.hub.collapse(None, None, self.token, js="() => ['']")
        self.remove.wire(self.removes, self.chosen, lists, **WORKING)

    # What is there

    def offer(self, name: str | None, request: gr.Request) -> list:
        """The adapters that are there now; the one chosen stays chosen."""
        visitor = self.studio.visitor(request.session_hash)
        return self.lists(visitor, name if name in self.studio.choices(visitor) else None)

    def lists(self, visitor: str, name: str | None) -> list:
        """Both lists, with an adapter chosen (or the first)."""
        labels = self.studio.labels(visitor)
        name = name or (labels[0][1] if labels else None)
        return [gr.Radio(labels, value=name), gr.CheckboxGroup(labels)]

    def folder(self, visitor: str, name: str | None) -> Path:
        folder = self.studio.adapter(visitor, name)
        if folder is None:
            raise UserError("No adapter is chosen: choose one in the list first.")
        return folder

    @friendly
    def show(self, name: str | None, request: gr.Request) -> list:
        """The facts of an adapter, its zip, and its answer to one picture."""
        from hfru_core.studio.sessions.torch_side import hub, validate

        visitor = self.studio.visitor(request.session_hash)
        folder = self.folder(visitor, name)
        try:
            record, pulled = validate.checked_record(folder), hub.origin(folder)
        except Exception as error:  # somebody else wrote it; it is there to be deleted
            if not isinstance(error, UserError):
                error = UserError(f"it is damaged ({type(error).__name__})")
            why = public(f"This adapter can't be used: {error} You can delete it.")
            damaged = f'<div class="empty">{escape(why)}</div>'
            return [damaged, "", gr.DownloadButton(value=None), gr.skip(), 1.0, "", gr.skip()]
        where = f"{pulled.repo} at {pulled.revision}" if pulled else None
        drawn = self.studio.base_of(folder) == self.studio.model
        example = display_image(example_for(forgotten(folder))) if drawn else None
        picture = gr.Image(example, alt_text="An example picture")
        file = self.studio.offered(zipped(self.studio, folder, visitor), visitor)
        return [
            facts(record, where, [*paths(self.studio, visitor).values()]),
            measured(record),
            gr.DownloadButton(value=file),
            picture,
            1.0,
            self.answers(folder, 1.0),
            gr.DownloadButton(visible=False),
        ]

    @friendly
    def answer(self, name: str, strength: float, request: gr.Request) -> str:
        visitor = self.studio.visitor(request.session_hash)
        return self.answers(self.folder(visitor, name), min(STRONGEST, max(0.0, strength)))

    def answers(self, folder: Path, strength: float) -> str:
        """Both answers about the adapter's example picture; one for photographs has none."""
        if self.studio.base_of(folder) != self.studio.model:
            return answers_html.unasked("", NO_PICTURES)
        concepts = forgotten(folder)
        key = example_for(concepts)
        question, image = presets(key, concepts)[0], load_image(key)
        said = base_model(self.studio.model).answer([image], [question])[0]
        turned = answer_at(self.studio.model, image, question, folder, strength)
        context = answers_html.Context(concepts, question, answers_html.present_names(key))
        return answers_html.answer_cards(said, turned, context)

    # What comes in

    @friendly
    def uploaded(self, path: str, request: gr.Request) -> list:
        """Check and unpack a zip into the visitor's folder; the file that was sent is deleted."""
        from hfru_core.studio.sessions.torch_side import archive

        visitor = self.studio.visitor(request.session_hash)
        with self.studio.uploads.taken(path, visitor) as file:
            out = self.studio.room(visitor, file.stem)
            archive.unpack(file, out)
        return self.arrived(visitor, out)

    @friendly
    def pulled(self, repo: str, revision: str, token: str, request: gr.Request) -> Iterator[list]:
        """Download an adapter from the Hub; before that, the token field is emptied.

        Gradio keeps a field's last value for its session, whatever comes of the event.
        """
        yield [gr.skip(), gr.skip(), ""]
        from hfru_core.studio.sessions.torch_side import hub

        visitor = self.studio.visitor(request.session_hash)
        out = self.studio.room(visitor, repo.split("/")[-1])
        hub.pull(repo.strip(), out, revision=revision.strip() or None, token=token.strip())
        yield [*self.arrived(visitor, out), ""]

    @friendly
    def stacked(self, names: list[str], request: gr.Request) -> list:
        from hfru_core.studio.sessions.torch_side import combine

        visitor = self.studio.visitor(request.session_hash)
        folders = [self.folder(visitor, n) for n in names]
        return self.arrived(visitor, combine.stack(folders, self.studio.room(visitor, "stack")))

    @friendly
    def keeps(self, name: str, strength: float, request: gr.Request) -> list:
        from hfru_core.studio.sessions.torch_side import combine

        visitor = self.studio.visitor(request.session_hash)
        folder = self.folder(visitor, name)
        out = self.studio.room(visitor, f"{folder.name}-{strength:.0%}")
        return self.arrived(visitor, combine.scale(folder, strength, out))

    def arrived(self, visitor: str, out: Path) -> list:
        """The lists with a new adapter chosen; Compare and Audit offer it when they are opened."""
        gr.Info("Added. You can now use it in Compare and Audit.", title="A new adapter")
        return self.lists(visitor, f"mine/{out.name}")

    # What is deleted

    @friendly
    def removes(self, name: str | None, request: gr.Request) -> list:
        """Delete one of the visitor's own adapters; another one is chosen."""
        visitor = self.studio.visitor(request.session_hash)
        self.studio.delete_adapter(visitor, self.folder(visitor, name))
        return self.lists(visitor, None)

    def wire_everything(self, everything: Everything) -> None:
        """Delete all of the visitor's; then the page, and its browser, begin anew."""

        @friendly
        def delete_all(request: gr.Request) -> None:
            everything.delete(str(request.session_hash))

        self.everything.wire(delete_all, None, None, **AT_ONCE).success(
            None, None, None, js=browser.FORGET
        )

    # What goes out

    @friendly
    def pushes(
        self, name: str, repo: str, private: bool, token: str, request: gr.Request
    ) -> Iterator[list]:
        """Upload the adapter with the form's token alone; before that, its field is emptied."""
        yield [gr.skip(), ""]
        from hfru_core.studio.sessions.torch_side import hub

        folder = self.folder(self.studio.visitor(request.session_hash), name)
        done = hub.push(folder, repo.strip(), token=token.strip(), private=private)
        seen = "private" if done.private else "public"
        link = f'<a href="{escape(done.url)}" target="_blank">{escape(done.repo)}</a>'
        yield [f'<p class="note">Pushed to {link}, {seen}, commit {done.revision[:12]}.</p>', ""]

    @friendly
    def merges(self, name: str, request: gr.Request) -> gr.DownloadButton:
        """The whole model with the adapter folded in, as a zip."""
        from hfru_core.studio.sessions.torch_side import combine

        visitor = self.studio.visitor(request.session_hash)
        folder, own = self.folder(visitor, name), self.studio.folder(visitor)
        self.studio.check_space(visitor)
        with TemporaryDirectory(dir=own) as work:
            whole = combine.merge(
                fresh_model(self.studio.base_of(folder)),
                folder,
                Path(work) / f"{folder.name}-merged",
            )
            file = shutil.make_archive(str(whole), "zip", work, whole.name)
            return gr.DownloadButton(value=self.studio.offered(Path(file), visitor), visible=True)
