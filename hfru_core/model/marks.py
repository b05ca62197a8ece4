"""Marks of a model, such as `<image>`: a question or an answer that holds one means the text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def marks_of(processor: Any, image_token: str) -> tuple[str, ...]:
    """What a processor and its tokenizer replace or read as one token, the longest first."""
    tokenizer = processor.tokenizer
    named = [v for k, v in vars(processor).items() if k.endswith("token") and isinstance(v, str)]
    found = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab(), *named, image_token}
    return tuple(sorted((m for m in found if len(m.strip()) > 1), key=lambda m: (-len(m), m)))


def as_text(text: str, marks: Iterable[str]) -> str:
    """The text with a blank after the first letter of each mark: no mark any more."""
    for mark in marks:
        if mark in text:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
    return text
