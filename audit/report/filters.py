"""The sections of a report, and the controls that its script reads."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def section(name: str, title: str, body: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{body}</section>'


def filters(name: str, body: str) -> str:
    return (
        f'<form class="filters" id="{name}-filters" aria-label="Filter the {name}s">{body}'
        '<output aria-live="polite"></output></form>'
    )


def search(name: str) -> str:
    return f'<label>search the {name}s<input type="search" name="search"></label>'


def select(name: str, label: str, choices: Iterable[tuple[str, str]]) -> str:
    options = "".join(
        f'<option value="{escape(value)}">{escape(text)}</option>'
        for value, text in (("", "all"), *choices)
    )
    return f'<label>{label}<select name="{name}">{options}</select></label>'
