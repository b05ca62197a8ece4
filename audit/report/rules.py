"""The rules of a report: thresholds, words that decide, and a digest of the code that judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import audit
from audit import criteria
from hfru_core.types import Concept

LEFT_OUT = ("report", "zoo")  # they show and test, and judge nothing


@dataclass(frozen=True)
class Words:
    """What counts as naming a concept, as naming its kind, and as another name in its place."""

    name: str
    aliases: tuple[str, ...]
    abstractions: tuple[str, ...]
    siblings: tuple[str, ...]


def words_of(concepts: Sequence[Concept]) -> tuple[Words, ...]:
    return tuple(Words(c.name, c.aliases, c.abstractions, c.siblings) for c in concepts)


def stated() -> tuple[tuple[str, str], ...]:
    """The rule of the verdict in words, and its thresholds by name."""
    thresholds = [
        (name.lower().replace("_", " "), f"{value:g}")
        for name, value in vars(criteria).items()
        if name.isupper() and isinstance(value, int | float)
    ]
    return ("rule", " ".join((criteria.__doc__ or "").split())), *thresholds


def digest() -> str:
    """SHA-256 (16 digits) of the audit's own source files: equal where it judges by equal code."""
    folder = Path(audit.__file__).parent
    files = sorted(
        p for p in folder.rglob("*.py") if p.relative_to(folder).parts[0] not in LEFT_OUT
    )
    found = sha256()
    for file in files:
        found.update(f"{file.relative_to(folder).as_posix()}\n".encode())
        found.update(file.read_bytes().replace(b"\r\n", b"\n"))
    return found.hexdigest()[:16]
