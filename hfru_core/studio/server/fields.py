"""What a field takes, checked on the server: a browser's limits bind nobody else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import gradio as gr

from hfru_core.studio.errors import as_message
from hfru_core.types import UserError

LONGEST = 1000  # letters of a text whose field tells no limit
MOST = 100  # values in a list


class Page(gr.Blocks):
    """A page that looks at the values of every event; `words` are its texts in every language,
    `line` is entered while somebody listens."""

    words: gr.I18n
    line: Callable[[str], AbstractContextManager[None]]

    async def preprocess_data(self, block_fn: Any, inputs: list, *more: Any, **named: Any) -> Any:
        """The values as handlers get them; an error with a clear line for one out of bounds."""
        with as_message():
            for field, value in zip(block_fn.inputs, inputs):
                check(field, value)
        return await super().preprocess_data(block_fn, inputs, *more, **named)


def check(field: Any, value: object) -> None:
    """Raise for a text that is too long, too many values, or a number outside of its bounds."""
    if isinstance(field, gr.Slider) or (isinstance(field, gr.Number) and value is not None):
        check_number(field, value)
        return
    values = value if isinstance(value, list) else [value]
    if len(values) > MOST:
        raise UserError(f"At most {MOST} values are taken here, got {len(values)}.")
    longest = getattr(field, "max_length", None) or LONGEST
    for text in values:
        if isinstance(text, str) and len(text) > longest:
            raise UserError(f"A text of {len(text)} letters is too long here: {longest} at most.")


def check_number(field: Any, value: object) -> None:
    low, high = field.minimum, field.maximum
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise UserError(f"A number from {low:,} to {high:,} is needed here, got {value!r:.40}.")
