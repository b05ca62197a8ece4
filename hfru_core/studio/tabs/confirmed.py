"""A button that asks once more before it deletes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.events import Dependency

from hfru_core.studio.i18n.catalogue import t
from hfru_core.studio.tabs.events import PRIVATE


class Confirmed:
    """The button and the question; `name` is that of its texts, and of its elements."""

    def __init__(self, name: str) -> None:
        self.button = gr.Button(t(f"delete.{name}"), size="sm", elem_id=f"delete-{name}")
        with gr.Column(visible=False, elem_id=f"delete-{name}-ask") as self.question:
            gr.Markdown(t(f"delete.{name}.ask"))
            with gr.Row():
                self.sure = gr.Button(
                    t("delete.sure"), variant="stop", size="sm", elem_id=f"delete-{name}-sure"
                )
                self.cancel = gr.Button(t("delete.cancel"), size="sm")

    def wire(
        self, delete: Callable[..., Any], inputs: Any, outputs: Any, **settings: Any
    ) -> Dependency:
        """Call `delete` on the second press."""
        asks = {"queue": False, **PRIVATE}
        self.button.click(shown, None, self.question, **asks)
        self.cancel.click(hidden, None, self.question, **asks)
        self.sure.click(hidden, None, self.question, **asks)
        return self.sure.click(delete, inputs, outputs, **settings)


def shown() -> gr.Column:
    return gr.Column(visible=True)


def hidden() -> gr.Column:
    return gr.Column(visible=False)
