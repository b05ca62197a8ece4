"""Which layers PEFT's setting `target_modules` means."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import regex

from hfru_core.adapters.record import CONFIG
from hfru_core.types import UserError

SECONDS = 0.1  # for a pattern and one name


def check_targets(
    folder: Path, wanted: str | list[str], names: Iterable[str], layers: Iterable[str]
) -> None:
    """Refuse settings by which PEFT adapts other layers than those that there are weights for."""
    meant, there = {n for n in names if fits(wanted, n, folder)}, {*layers}
    if odd := sorted(meant ^ there):
        what = "names no layer of that name" if odd[0] in there else "has no weights for it"
        raise UserError(
            f"'{folder.name}/{CONFIG}' and the weights do not belong together: target_modules and "
            f"the weights differ in {len(odd)} layers, {odd[0]} (the folder {what}). PEFT would "
            "make another model of it than its record tells of; ask whoever made it."
        )


def fits(wanted: str | list[str], name: str, folder: Path) -> bool:
    """Whether PEFT's setting means a module: a pattern of the whole name, or a list of endings."""
    if not isinstance(wanted, str):
        return any(name == w or name.endswith(f".{w}") for w in wanted)
    try:
        return regex.fullmatch(wanted, name, timeout=SECONDS) is not None
    except (TimeoutError, regex.error):
        raise too_long(folder, wanted) from None


def too_long(folder: Path, pattern: str) -> UserError:
    return UserError(
        f"'{folder.name}/{CONFIG}' names its layers by a pattern that cannot be read in time: "
        f"{pattern[:80]}. Write the layers' names instead."
    )
