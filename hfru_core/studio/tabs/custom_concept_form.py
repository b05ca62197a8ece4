"""A visitor's own concept: its name, words and pictures, kept in the visitor's folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr

from hfru_core import concepts as words
from hfru_core.data import custom_concept
from hfru_core.data.images import open_image
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.sessions.models import base_model
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.compare import ANSWERING, friendly
from hfru_core.types import Concept, UserError

KINDS = tuple((t(f"own.{n}"), n) for n in ("object", "identity"))
FEWEST, MOST = 4, 64  # pictures
LISTS = ("aliases", "abstractions", "siblings")


class Own:
    """The form; empty, it asks for nothing."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        with gr.Accordion(t("own"), open=False, elem_id="own") as self.form:
            gr.Markdown(t("own.help"))
            self.name = gr.Textbox(label=t("own.name"), max_length=60, elem_id="own-name")
            self.kind = gr.Radio(KINDS, value="object", label=t("own.kind"))
            self.files = gr.File(
                label=t("own.pictures"),
                file_count="multiple",
                file_types=["image"],
                elem_id="own-files",
            )
            self.suggest = gr.Button(t("own.suggest"), size="sm", elem_id="own-suggest")
            self.lists = [
                gr.Textbox(
                    label=t(f"own.{field}"),
                    info=t(f"own.{field}.info"),
                    max_length=400,
                    elem_id=f"own-{field}",
                )
                for field in LISTS
            ]

    @property
    def parts(self) -> list:
        return [self.name, self.kind, self.files, *self.lists]

    def wire(self) -> None:
        self.suggest.click(self.suggested, [self.name, self.kind], self.lists, **ANSWERING)

    @friendly
    def suggested(self, name: str, kind: str, request: gr.Request) -> list[str]:
        """The model's own words around the concept, to be edited."""
        cache = self.studio.folder(self.studio.visitor(request.session_hash)) / "words"
        concept = custom_concept.suggest(base_model(self.studio.model), name or "", kind, cache)
        return [", ".join(w) for w in (concept.aliases, concept.abstractions, concept.siblings)]

    def folder(self, visitor: str, name: str) -> Path:
        return self.studio.folder(visitor) / "own" / (words.slug(name) or "nothing")

    def source(self, visitor: str, name: str) -> str:
        """Where the session finds what `keep` wrote."""
        return f"folder:{self.folder(visitor, name).absolute()}"

    def keep(
        self, visitor: str, name: str, kind: str, files: Sequence[str] | None, *lists: str
    ) -> None:
        """Write words and pictures; raises where they are too few, too many or no pictures."""
        if not FEWEST <= len(files or ()) <= MOST:
            raise UserError(
                f"{FEWEST} to {MOST} pictures of '{name}' are needed, got {len(files or ())}."
            )
        concept = described(custom_concept.listed(name.strip(), kind, {}), lists)
        images = [open_image(Path(f)) for f in files]  # before anything is written
        label = self.folder(visitor, name) / concept.id
        shutil.rmtree(label.parent, ignore_errors=True)
        custom_concept.save(concept, label)
        for i, image in enumerate(images):
            image.save(label / f"{i:03}.png")


def described(concept: Concept, lists: Sequence[str]) -> Concept:
    """The concept with the visitor's words, where there are any."""
    given = {
        f: tuple(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))
        for f, text in zip(LISTS, lists)
        if (text or "").strip()
    }
    return words.checked(replace(concept, **given), f"'{concept.name}'")
