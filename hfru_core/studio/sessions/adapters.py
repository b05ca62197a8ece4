"""The adapters in a folder: what they forget, and what they are called in a list."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from hfru_core.adapters.record import INFO, read_record
from hfru_core.types import Concept, UserError

NAME = re.compile(r"[\w-]{1,24}")  # of a preset or method
record_of = lru_cache(maxsize=256)(read_record)


def adapter_folders(parent: Path) -> list[Path]:
    return sorted(p.parent for p in parent.glob(f"*/{INFO}"))


def forgotten(folder: Path) -> tuple[Concept, ...]:
    """The concepts that an adapter was made to forget."""
    return record_of(folder).concepts


def adapter_label(folder: Path) -> str:
    """'Without dog, elephant', or the folder's name where its record cannot be read."""
    try:
        return f"Without {record_of(folder).names}{made_of(folder)}"
    except UserError:
        return f"{folder.name} (damaged)"


def made_of(folder: Path) -> str:
    """' at 50%' or ' (sum of 2)' for an adapter made of others, ' (deep)' for another preset."""
    record = record_of(folder)
    if parts := record.parts:
        return f" (sum of {len(parts)})" if len(parts) > 1 else f" at {parts[0].strength:.0%}"
    how = record.config.get("preset", "default") if record.method == "hfru" else record.method
    return f" ({how})" if how != "default" and NAME.fullmatch(str(how)) else ""
