"""The form for a visitor's own concept; its words and pictures are kept in the visitor's folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from hfru_core.concepts import checked, slug
from hfru_core.data import custom_concept
from hfru_core.data.images import open_image
from hfru_core.language.wordlists import senses
from hfru_core.studio.errors import friendly
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.render import own_html
from hfru_core.studio.sessions.asking import LOOKED_AT, are_photographs
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.events import ANSWERING, AT_ONCE
from hfru_core.types import Concept, UserError

Kind = Literal["object", "identity"]
KINDS = tuple((t(f"own.{n}"), n) for n in ("object", "identity"))
FEWEST, MOST = 4, 64  # pictures
LISTS = ("aliases", "abstractions", "siblings")
LONGEST = 30_000  # letters of a list: a bird has a thousand names


class Own:
    """The fields; without a name there is no concept."""

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
            self.seen = gr.HTML(elem_id="own-seen")
            self.suggest = gr.Button(t("own.suggest"), size="sm", elem_id="own-suggest")
            self.sense = gr.Dropdown(
                [], label=t("own.sense"), visible=False, elem_id="own-sense", type="index"
            )
            self.lists = [
                gr.Textbox(
                    label=t(f"own.{field}"),
                    info=t(f"own.{field}.info"),
                    max_length=LONGEST,
                    elem_id=f"own-{field}",
                )
                for field in LISTS
            ]

    @property
    def parts(self) -> list:
        return [self.name, self.kind, self.files, *self.lists]

    def wire(self) -> None:
        sent = self.files.upload(self.sent, self.files, None, **AT_ONCE)
        sent.then(self.looked, self.files, self.seen, **ANSWERING)
        gr.on(
            [self.files.delete, self.files.clear], self.looked, self.files, self.seen, **ANSWERING
        )
        asked, filled = [self.name, self.kind], [self.sense, *self.lists]
        self.suggest.click(self.suggested, asked, filled, **ANSWERING)
        self.sense.input(self.meant, [*asked, self.sense], self.lists, **ANSWERING)

    @friendly
    def sent(self, files: Sequence[str] | None, request: gr.Request) -> None:
        """Note whose the pictures are: they go when their visitor leaves, used or not."""
        for file in files or ():
            self.studio.uploads.claim(file, self.studio.visitor(request.session_hash))

    @friendly
    def looked(self, files: Sequence[str] | None, request: gr.Request) -> str:
        """The pictures small, and which model they are for."""
        visitor = self.studio.visitor(request.session_hash)
        claimed = [self.studio.uploads.claim(f, visitor) for f in files or ()][:LOOKED_AT]
        if not claimed:
            return ""
        photo = are_photographs(self.studio, claimed)
        pictures = [open_image(f.read_bytes()) for f in claimed]
        return own_html.pictures(pictures, len(files or ()), photo, self.studio.photo is not None)

    @friendly
    def suggested(self, name: str, kind: Kind) -> list[Any]:
        """The dictionary's words around the concept, to be edited, and what else it can mean."""
        lists = words_around(custom_concept.suggest(name or "", kind))
        glosses = [s.gloss for s in senses(name)] if kind == "object" else []
        several = len(glosses) > 1
        choice = gr.Dropdown(glosses, value=glosses[0] if several else None, visible=several)
        return [choice, *lists]

    @friendly
    def meant(self, name: str, kind: Kind, sense: int | None) -> list[str]:
        """The words for another sense of the name."""
        number = None if sense is None else sense + 1
        return words_around(custom_concept.suggest(name or "", kind, number))

    def folder(self, visitor: str, name: str) -> Path:
        return self.studio.folder(visitor) / "own" / (slug(name) or "nothing")

    def source(self, visitor: str, name: str) -> str:
        """Where the session finds what `keep` wrote."""
        return f"folder:{self.folder(visitor, name).absolute()}"

    def keep(
        self, visitor: str, name: str, kind: Kind, files: Sequence[str] | None, *lists: str
    ) -> None:
        """Write words and pictures; raises where the pictures are too few, too many or damaged."""
        files = files or ()
        if not FEWEST <= len(files) <= MOST:
            change = f"add at least {FEWEST - len(files)}" if len(files) < FEWEST else "remove some"
            raise UserError(
                f"{FEWEST} to {MOST} pictures of '{name}' are needed, got {len(files)}: {change}."
            )
        concept = described(custom_concept.listed(name.strip(), kind, {}), lists)
        claimed = [self.studio.uploads.claim(f, visitor) for f in files]
        images = [open_image(f.read_bytes()) for f in claimed]  # before anything is written
        label = self.folder(visitor, name) / concept.id
        shutil.rmtree(label.parent, ignore_errors=True)
        custom_concept.save(concept, label)
        for i, image in enumerate(images):
            image.save(label / f"{i:03}.png")


def words_around(concept: Concept) -> list[str]:
    """A concept's lists as they are edited."""
    return [", ".join(getattr(concept, field)) for field in LISTS]


def described(concept: Concept, lists: Sequence[str]) -> Concept:
    """The concept with the visitor's words, where there are any."""
    given: dict[str, Any] = {
        f: tuple(dict.fromkeys(w.strip() for w in text.split(",") if w.strip()))
        for f, text in zip(LISTS, lists)
        if (text or "").strip()
    }
    return checked(replace(concept, **given), f"'{concept.name}'")
