"""The adapters in a folder: what they forget, and what they are called in a list.

A folder's name may come to stand for another adapter, so what is remembered goes by content.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from hfru_core.adapters.record import CONFIG, INFO, WEIGHTS, AdapterRecord, read_record
from hfru_core.types import Concept, UserError

NAME = re.compile(r"[\w-]{1,24}")  # of a preset or method


def adapter_folders(parent: Path) -> list[Path]:
    return sorted(p.parent for p in parent.glob(f"*/{INFO}"))


def content(folder: Path, *names: str) -> str:
    """Changes with what the files hold; all that an adapter's answers depend on by default."""
    digest = hashlib.sha256()
    for name in names or (INFO, CONFIG, WEIGHTS):
        path = folder / name
        digest.update(hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"none")
    return digest.hexdigest()


def record_of(folder: Path) -> AdapterRecord:
    """The record of an adapter, read once; raises `UserError` whatever is wrong with it."""
    return record_with(folder, content(folder, INFO))


@lru_cache(maxsize=256)
def record_with(folder: Path, content: str) -> AdapterRecord:
    try:
        return read_record(folder)
    except UserError:
        raise
    except Exception as error:  # somebody else wrote it
        raise UserError(f"'{folder.name}' is damaged: {type(error).__name__}.") from None


def forgotten(folder: Path) -> tuple[Concept, ...]:
    """The concepts that an adapter was made to forget."""
    return record_of(folder).concepts


def adapter_label(folder: Path) -> str:
    """'Without dog, elephant', or the folder's name where its record cannot be read."""
    try:
        return f"Without {record_of(folder).names}{made_of(folder)}"
    except Exception:  # one damaged adapter must not take the list from its visitor
        return f"{folder.name} (damaged)"


def base_name(folder: Path) -> str:
    """What an adapter's record calls the model that it was made for; "" of a damaged one."""
    record = readable(folder)
    return record.base.name if record else ""


def source_of(folder: Path) -> str:
    """The public name of the pictures that an adapter was made from; "" where there is none."""
    record = readable(folder)
    return record.data.source if record and record.data else ""


def readable(folder: Path) -> AdapterRecord | None:
    try:
        return record_of(folder)
    except UserError:
        return None


def concepts_of(folder: Path) -> tuple[Concept, ...]:
    """The same as `forgotten`; none of a damaged adapter."""
    record = readable(folder)
    return record.concepts if record else ()


def made_of(folder: Path) -> str:
    """' at 50%' or ' (sum of 2)' for an adapter made of others, ' (deep)' for another preset."""
    record = record_of(folder)
    if parts := record.parts:
        return f" (sum of {len(parts)})" if len(parts) > 1 else f" at {parts[0].strength:.0%}"
    how = record.config.get("preset", "default") if record.method == "hfru" else record.method
    return f" ({how})" if how != "default" and NAME.fullmatch(str(how)) else ""
