"""The Compare tab: one picture, one question, two answers."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from hfru_core.data import drawn as world
from hfru_core.data.images import open_image
from hfru_core.data.source import load_image
from hfru_core.studio.errors import friendly
from hfru_core.studio.examples import EXAMPLES, example_for, example_keys, presets
from hfru_core.studio.i18n.catalogue import marker, t
from hfru_core.studio.render import answers_html, commands
from hfru_core.studio.server import browser
from hfru_core.studio.server.first_page import opening, recalled
from hfru_core.studio.sessions import photograph
from hfru_core.studio.sessions.adapters import forgotten
from hfru_core.studio.sessions.asking import ask, fitting, model_for
from hfru_core.studio.sessions.picture_set import one_of
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.compare_photograph import Photograph
from hfru_core.studio.tabs.compare_set import CompareSet
from hfru_core.studio.tabs.events import ANSWERING, AT_ONCE, PRIVATE, QUIET, always
from hfru_core.types import Concept, UserError

DISPLAY = 512  # pixels of a drawn picture on the page
LONGEST = 200  # letters of a question
LEADS = ("things", "people", "own")


def path_of(payload: Any) -> str | None:
    """The file that was sent: Gradio would open it itself, and leave a copy."""
    return payload.path if payload else None


class Compare:
    """The tab's components and handlers; a visitor's state lies in gr.State as strings."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.token = gr.Textbox(visible=False)
        self.first = first_key(studio)
        self.key = gr.State(self.first)
        with gr.Row(elem_classes="bench"):
            with gr.Column(scale=4, min_width=280, elem_classes="still"):
                self.build_picture()
            with gr.Column(scale=9, min_width=300, elem_classes="still"):
                self.build_question()
        self.set = CompareSet(studio, self.adapter)

    def build_picture(self) -> None:
        self.image = gr.Image(
            display_image(self.first),
            interactive=False,
            show_label=False,
            buttons=[],
            elem_id="picture",
            alt_text="The picture that is asked about",
        )
        pictures = [(world.draw(k, 256), name) for k, name in zip(example_keys(), EXAMPLES)]
        self.gallery = gr.Gallery(
            pictures,
            columns=4,
            allow_preview=False,
            show_label=False,
            buttons=[],
            object_fit="cover",
            interactive=False,
            elem_id="examples",
            container=False,
            visible=world.is_drawn(self.first),
        )
        self.upload = gr.Image(
            sources=["upload", "clipboard", "webcam"],
            webcam_options=gr.WebcamOptions(mirror=False),
            label=t("compare.upload"),
            buttons=[],
            height=210,
            elem_id="upload",
        )
        self.upload.preprocess = path_of  # type: ignore[method-assign]  # no class: Gradio writes stubs

    def build_question(self) -> None:
        offered = presets(self.first, ())
        shipped = self.studio.labels("")
        self.adapter = gr.Dropdown(
            shipped,
            value=shipped[0][1] if shipped else None,
            label=t("compare.adapter"),
            info=t("compare.adapter.info"),
            elem_id="adapter",
        )
        self.question = gr.Textbox(
            offered[0],
            label=t("compare.question"),
            max_length=LONGEST,
            placeholder=t("compare.ask.hint"),
            submit_btn=t("compare.ask"),
            max_lines=2,
            elem_id="question",
        )
        with gr.Row(elem_classes="presets"):
            self.presets = [gr.Button(q, size="sm") for q in offered]
        self.cards = gr.HTML(first_cards(self.studio), elem_id="cards")
        gr.HTML(marker("legend.html"), elem_id="legend")
        self.build_leads()
        model = self.studio.model if world.is_drawn(self.first) else self.studio.photographs
        told = commands.answer(offered[0], None, model == self.studio.photographs)
        self.command = commands.code("compare-command", told)
        self.beside = Photograph(self.studio)

    def build_leads(self) -> None:
        """What to do next: three buttons that open the Unlearn tab with its form filled in."""
        gr.HTML(marker("lead.html"), elem_id="lead")
        with gr.Row(elem_id="leads"):
            self.leads = [
                gr.Button(t(f"lead.{name}"), size="sm", min_width=150, elem_id=f"lead-{name}")
                for name in LEADS
            ]

    def wire(self, page: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the events; every answer leads to the same outputs."""
        inputs = [self.key, self.question, self.adapter]
        tab.select(self.offer, None, self.adapter, **AT_ONCE)  # no answer is waited for
        view, quiet = self.view_parts(), QUIET | ANSWERING
        self.opened_page = page.load(
            self.opened,
            self.token,
            view,
            js=browser.TELL,
            **quiet,
        )
        self.set.follows(self.opened_page)
        self.beside.follows(self.opened_page)
        taken = self.beside.ask.click(self.choose_photograph, inputs, view, **quiet)
        self.set.follows(taken)
        self.question.submit(self.answer, inputs, self.cards, **quiet)
        for button in self.presets:
            preset = [button, self.key, self.adapter]
            button.click(self.ask, preset, [self.question, self.cards], **quiet)
        self.set.follows(self.gallery.select(self.choose, inputs, view, **quiet))
        sent = self.upload.input(self.uploaded, [self.upload, *inputs], view, **quiet)
        always(sent, lambda: None, None, self.upload, queue=False, **PRIVATE)
        self.set.follows(sent)
        self.set.follows(self.adapter.input(self.switched, inputs, view, **quiet))
        self.set.wire()
        gr.on(
            [self.question.change, self.adapter.change, self.key.change],
            self.as_command,
            [self.question, self.adapter, self.key],
            self.command,
            trigger_mode="always_last",
            **PRIVATE,
        )

    def opens_from(self, button: gr.Button, name: gr.components.Component, tabs: gr.Tabs) -> None:
        """Let a button of another tab open this one with the adapter that `name` holds."""
        view = [tabs, *self.view_parts()]
        self.set.follows(button.click(self.open_with, name, view, **QUIET, **ANSWERING))

    def view_parts(self) -> list:
        """What `view` fills."""
        return [self.adapter, self.key, self.image, self.question, *self.presets, self.cards]

    @friendly
    def opened(self, token: str, request: gr.Request) -> list:
        """A new page: its visitor, the adapters, and a picture with both answers."""
        self.studio.pages.arrive(str(request.session_hash), token, request.username)
        visitor = self.studio.visitor(request.session_hash)
        return self.with_adapter(visitor, None)

    def with_adapter(self, visitor: str, name: str | None) -> list:
        """An adapter (or the first) chosen, and a picture that shows its effect."""
        labels = self.studio.labels(visitor)
        name = name or (labels[0][1] if labels else None)
        key = self.example(visitor, name)
        return self.view(visitor, key, presets(key, self.concepts(visitor, name))[0], name)

    def example(self, visitor: str, name: str | None) -> str:
        """A picture that shows an adapter's effect, of those that its model knows."""
        folder = self.studio.adapter(visitor, name)
        if folder is None:
            return self.first
        if own := self.studio.own_pictures(visitor, folder):
            return self.kept(visitor, load_image(one_of(folder, own)))
        if self.studio.base_of(folder) == self.studio.photographs:
            return photograph.key() or self.first
        return example_for(forgotten(folder))

    def kept(self, visitor: str, image: Image.Image) -> str:
        """The key of a picture in the visitor's folder: its pixels only."""
        file = self.studio.folder(visitor) / "picture.png"
        image.save(file)
        return f"file:{file}"

    def as_command(self, question: str, name: str | None, key: str, request: gr.Request) -> str:
        """The same on the command line."""
        folder = self.studio.adapter(self.studio.visitor(request.session_hash), name)
        if folder:
            model = self.studio.base_of(folder)
        else:
            model = model_for(self.studio, key, load_image(key)) or self.studio.model
        return commands.answer(question, name, model == self.studio.photographs)

    @friendly
    def open_with(self, name: str, request: gr.Request) -> list:
        """This tab, opened with an adapter that was chosen in another one."""
        visitor = self.studio.visitor(request.session_hash)
        return [gr.Tabs(selected="compare"), *self.with_adapter(visitor, name)]

    @friendly
    def offer(self, request: gr.Request) -> gr.Dropdown:
        """The adapters that are there now; the one chosen stays."""
        return gr.Dropdown(choices=self.studio.labels(self.studio.visitor(request.session_hash)))

    @friendly
    def switched(self, key: str, question: str, name: str, request: gr.Request) -> list:
        visitor = self.studio.visitor(request.session_hash)
        folder = self.studio.adapter(visitor, name)
        fits = not folder or model_for(self.studio, key, load_image(key)) == self.studio.base_of(
            folder
        )
        new = self.example(visitor, name) if world.is_drawn(key) or not fits else key
        return self.view(visitor, new, self.carried(question, key, new, name, visitor), name)

    @friendly
    def choose(
        self, key: str, question: str, name: str, event: gr.SelectData, request: gr.Request
    ) -> list:
        visitor = self.studio.visitor(request.session_hash)
        return self.shown(visitor, example_keys()[event.index], question, key, name)

    @friendly
    def uploaded(
        self, path: str | None, key: str, question: str, name: str, request: gr.Request
    ) -> list:
        """Keep the pixels only, in the visitor's folder; the file that was sent is deleted."""
        if not path:
            return [gr.skip()] * len(self.view_parts())
        visitor = self.studio.visitor(request.session_hash)
        with self.studio.uploads.taken(path, visitor) as sent:
            new = self.kept(visitor, open_image(sent.read_bytes()))
        return self.shown(visitor, new, question, key, name)

    @friendly
    def choose_photograph(self, key: str, question: str, name: str, request: gr.Request) -> list:
        visitor = self.studio.visitor(request.session_hash)
        return self.shown(visitor, photograph.key() or key, question, key, name)

    def shown(self, visitor: str, new: str, question: str, key: str, name: str | None) -> list:
        """Another picture, with an adapter of the model that answers about it."""
        name = fitting(self.studio, visitor, name, model_for(self.studio, new, load_image(new)))
        return self.view(visitor, new, self.carried(question, key, new, name, visitor), name)

    @friendly
    def ask(self, preset: str, key: str, name: str, request: gr.Request) -> list:
        return [preset, self.answered(self.studio.visitor(request.session_hash), key, preset, name)]

    @friendly
    def answer(self, key: str, question: str, name: str, request: gr.Request) -> str:
        return self.answered(self.studio.visitor(request.session_hash), key, question, name)

    def answered(self, visitor: str, key: str, question: str, name: str | None) -> str:
        """Both answers as cards."""
        question = question.strip()[:LONGEST]
        if not question:
            raise UserError("Type a question, or choose one of the buttons.")
        folder = self.studio.adapter(visitor, name)
        said = ask(self.studio, key, load_image(key), question, folder)
        if said.original is None:
            return answers_html.unasked(question, said.remark)
        concepts = forgotten(folder) if folder else ()
        context = answers_html.Context(concepts, question, answers_html.present_names(key))
        return answers_html.answer_cards(
            said.original, said.unlearned, context, said.remark, said.misfit
        )

    def view(self, visitor: str, key: str, question: str, name: str | None) -> list:
        """Everything that changes with the picture."""
        chosen = gr.Dropdown(choices=self.studio.labels(visitor), value=name)
        offered = presets(key, self.concepts(visitor, name))
        names = answers_html.present_names(key) or ("upload",)
        image = gr.Image(self.displayed(visitor, key), alt_text=", ".join(names))
        answers = self.answered(visitor, key, question, name)
        return [chosen, key, image, question, *offered, answers]

    def displayed(self, visitor: str, key: str) -> Image.Image | str:
        """The picture for the page: Gradio keeps those of its own folder, and not a visitor's."""
        if world.is_drawn(key) or key == photograph.key():
            return display_image(key)
        return self.studio.offered(self.studio.folder(visitor) / "picture.png", visitor)

    def concepts(self, visitor: str, name: str | None) -> tuple[Concept, ...]:
        folder = self.studio.adapter(visitor, name)
        return forgotten(folder) if folder else ()

    def carried(self, question: str, old: str, new: str, name: str | None, visitor: str) -> str:
        """The same kind of question for another picture; one's own question stays as it is."""
        concepts = self.concepts(visitor, name)
        before, after = presets(old, concepts), presets(new, concepts)
        if question in before:
            return after[before.index(question)]
        return question.strip() or after[0]


def first_cards(studio: Studio) -> str:
    """The first page's answers, where they were kept; else cards that wait for the model."""
    first = opening(studio)
    answers = recalled(studio, first) if first else None
    if first is None or first.folder is None or answers is None:
        return marker("waiting.html")
    names = answers_html.present_names(first.key)
    context = answers_html.Context(forgotten(first.folder), first.question, names)
    return answers_html.answer_cards(*answers, context)


def first_key(studio: Studio) -> str:
    """The picture that the page opens with: a photograph where only those are known."""
    alone = studio.model == studio.photographs
    return (alone and photograph.key()) or example_for(())


def display_image(key: str) -> Image.Image:
    """A picture for people: drawn ones are larger than what the model sees."""
    return world.draw(key, DISPLAY) if world.is_drawn(key) else load_image(key)
