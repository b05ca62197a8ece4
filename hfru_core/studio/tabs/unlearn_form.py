"""What is to be forgotten, and how: the form of the Unlearn tab."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr

from hfru_core.config import UnlearnConfig
from hfru_core.protocol.answers import PEOPLE_NAMES
from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.sessions.interrupted import Wish
from hfru_core.studio.sessions.running import MOST_STEPS
from hfru_core.studio.sessions.studio import Studio
from hfru_core.studio.tabs.custom_concept_form import Own
from hfru_core.world.scenes import CLASSES

PRESETS = tuple((t(f"preset.{n}"), n) for n in ("default", "paper", "deep"))
SCOPES = tuple((t(f"scope.{n}"), n) for n in ("encoder", "encoder+projector"))


class Form:
    """The fields; `parts` are what a `Wish` is made of."""

    def __init__(self, studio: Studio) -> None:
        self.things = gr.CheckboxGroup(
            list(CLASSES),
            value=["dog"],
            label=t("unlearn.things"),
            elem_classes="concepts",
            elem_id="things",
        )
        self.people = gr.CheckboxGroup(
            list(PEOPLE_NAMES), label=t("unlearn.people"), elem_classes="concepts", elem_id="people"
        )
        self.own = Own(studio)
        with gr.Accordion(t("unlearn.settings"), open=False):
            self.preset = gr.Radio(PRESETS, value="default", label=t("unlearn.recipe"))
            self.steps = gr.Slider(
                2,
                MOST_STEPS,
                value=UnlearnConfig().steps,
                step=1,
                label=t("unlearn.steps"),
                info=t("unlearn.steps.info"),
                elem_id="steps",
            )
            self.seed = gr.Number(
                0, label=t("seed"), info=t("seed.info"), precision=0, minimum=0, maximum=2**31 - 1
            )
            self.scope = gr.Radio(SCOPES, value="encoder", label=t("unlearn.scope"))

    @property
    def parts(self) -> list:
        return [
            self.things,
            self.people,
            self.preset,
            self.seed,
            self.steps,
            self.scope,
            *self.own.parts,
        ]

    def wished(self, form: tuple, visitor: str) -> Wish:
        """The form's values as a wish: a concept of one's own goes before what is ticked."""
        things, people, preset, seed, steps, scope, name, *_ = form
        wish = Wish((*things, *people), preset, int(seed or 0), int(steps), scope)
        if not (name or "").strip():
            return wish
        source = self.own.source(visitor, name) if visitor else "folder:PICTURES"
        return replace(wish, names=(name.strip(),), source=source)
