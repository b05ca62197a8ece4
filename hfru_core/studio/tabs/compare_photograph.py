"""A photograph beside the first drawing, with what the model of photographs says of it."""

from __future__ import annotations

from html import escape

import gradio as gr

from hfru_core.data.source import load_image
from hfru_core.studio.errors import friendly
from hfru_core.studio.i18n.catalogue import marker, t
from hfru_core.studio.render import answers_html
from hfru_core.studio.server.first_page import Asked, Said, beside, recalled, said
from hfru_core.studio.sessions import photograph
from hfru_core.studio.sessions.adapters import forgotten
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.events import ANSWERING, QUIET

SIZE = 320  # pixels of the longer side


class Photograph:
    """The picture, both answers and a button that opens it above; nothing where the app has one
    model alone."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.asked = beside(studio) if studio.photo else None
        self.known = recalled(studio, self.asked) if self.asked else None
        with gr.Column(visible=self.asked is not None, elem_id="beside"):
            gr.HTML(marker("beside.html"))
            self.panel = gr.HTML(shown(self.asked, self.known), elem_id="photograph")
            self.ask = gr.Button(t("beside.ask"), size="sm", elem_id="photograph-ask")

    def follows(self, opened: gr.events.Dependency) -> None:
        """Ask once a page is open, where the answers are not known yet."""
        if self.asked and self.known is None:
            opened.then(self.answers, None, self.panel, **QUIET, **ANSWERING)

    @friendly
    def answers(self) -> str:
        if self.asked and self.known is None:
            self.known = said(self.asked)
        return shown(self.asked, self.known)


def shown(asked: Asked | None, answers: Said | None) -> str:
    """The photograph, who took it, and the answers as far as they are there."""
    if asked is None:
        return ""
    picture = load_image(asked.key)
    original, unlearned = answers or ("…", None)
    concepts = forgotten(asked.folder) if asked.folder else ()
    context = answers_html.Context(concepts, asked.question)
    rows = [("Original", answers_html.marked(original, context))]
    if unlearned is not None:
        after = answers_html.unlearned_context(context, original)
        names = ", ".join(c.name for c in concepts)
        rows += [(f"Without {names}", answers_html.marked(unlearned, after))]
    told = "".join(f"<dt>{escape(who)}</dt><dd translate='no'>{what}</dd>" for who, what in rows)
    return (
        f'<figure class="beside"><img src="{answers_html.small(picture, SIZE)}" '
        'alt="A Chinese temple above a lake"><figcaption>'
        f'<p class="asked">“{escape(asked.question)}”</p>'
        f"<dl>{told}</dl><small>{credit()}</small></figcaption></figure>"
    )


def credit() -> str:
    """Who took it and what it may be used for."""
    outside = 'target="_blank" rel="noopener noreferrer"'
    return (
        f'<a href="{photograph.SOURCE}" {outside}>{photograph.BY}</a>, '
        f'<a href="{photograph.TERMS}" {outside}>{photograph.LICENCE}</a>, <span>comes with '
        "scikit-learn, made smaller</span>"
    )
