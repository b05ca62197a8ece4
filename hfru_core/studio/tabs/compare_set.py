"""The Compare tab's table: both models' answers to one kind of question about many pictures."""

from __future__ import annotations

import gradio as gr
from gradio.events import Dependency

from hfru_core.studio.errors import friendly
from hfru_core.studio.i18n.catalogue import t, waiting
from hfru_core.studio.sessions.asking import NO_PICTURES
from hfru_core.studio.sessions.picture_set import set_of_answers
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.events import ANSWERING, QUIET

TOPICS = tuple((t(f"topic.{n}"), n) for n in ("name", "describe", "caption", "exists"))


class CompareSet:
    """The kind of question to choose, and the table for it and an adapter."""

    def __init__(self, studio: Studio, adapter: gr.Dropdown) -> None:
        self.studio, self.adapter = studio, adapter
        with gr.Row(equal_height=True, elem_classes="set-head"):
            gr.Markdown(t("compare.set"), container=False)
            self.topic = gr.Dropdown(
                TOPICS,
                value="name",
                label=t("compare.topic"),
                container=False,
                elem_id="topic",
                scale=0,
                min_width=240,
            )
        self.table = gr.HTML(waiting("compare.set.loading"), elem_id="set")

    def wire(self) -> None:
        self.topic.input(self.answers, [self.topic, self.adapter], self.table, **ANSWERING)

    def follows(self, event: Dependency) -> None:
        """Fill the table after an event that may have chosen another adapter."""
        event.then(self.answers, [self.topic, self.adapter], self.table, **QUIET, **ANSWERING)

    @friendly
    def answers(self, topic: str, name: str | None, request: gr.Request) -> str:
        """The answers of both models to one kind of question about 24 pictures, with a tally."""
        visitor = self.studio.visitor(request.session_hash)
        folder = self.studio.adapter(visitor, name)
        if folder is None:
            return '<div class="empty">No adapter yet: make one in the Unlearn tab.</div>'
        model, own = self.studio.base_of(folder), self.studio.own_pictures(visitor, folder)
        if own is None and model == self.studio.photo:
            return f'<div class="empty">{NO_PICTURES}</div>'
        return set_of_answers(model, folder, topic, own or "world")
