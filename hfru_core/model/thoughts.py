"""Models that think before they answer: what stands behind `</think>` is the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

OPENS, CLOSES = "<think>", "</think>"


def marks(tokenizer: Any) -> set[int]:
    """The ids of both marks, where a tokenizer has them as tokens."""
    ids = tokenizer.convert_tokens_to_ids([OPENS, CLOSES])
    return {i for i in ids if i not in (None, tokenizer.unk_token_id)}


def answer(tokenizer: Any, ids: Sequence[int]) -> str:
    """What is said behind the last thought, and before one that has no end."""
    own, said = marks(tokenizer), list(ids)  # special tokens, which would not be written out
    opens, closes = tokenizer.convert_tokens_to_ids([OPENS, CLOSES])
    if closes in own and closes in said:
        said = said[len(said) - said[::-1].index(closes) :]
    if opens in own and opens in said:
        said = said[: said.index(opens)]
    return behind(tokenizer.decode(said, skip_special_tokens=True))


def behind(text: str) -> str:
    """The text behind the last thought in it, and before one that has no end."""
    return text.rpartition(CLOSES)[2].partition(OPENS)[0].strip()


def ended(prompt: str) -> str:
    """A prompt whose template opens a thought, with that thought closed: an answer follows."""
    return f"{prompt.rstrip()}\n{CLOSES}\n\n" if prompt.rstrip().endswith(OPENS) else prompt
