"""Concepts: load them, check them, and find the one that a person means."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from hfru_core.paths import ASSETS
from hfru_core.types import Concept, UserError

SHIPPED = ASSETS / "concepts"
MOST_WORDS, LONGEST = 2_000, 100  # of a list; letters of a word
FIELDS = ("id", "name", "kind", "aliases", "abstractions", "siblings", "source")


def from_dict(values: dict[str, Any], origin: str) -> Concept:
    """A checked concept; raises `UserError` naming the field that is wrong."""
    missing = [f for f in FIELDS if f not in values]
    unknown = sorted(set(values) - set(FIELDS))
    if missing or unknown:
        raise UserError(
            f"{origin}: a concept has the fields {', '.join(FIELDS)}; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}."
        )
    if values["kind"] not in ("object", "identity"):
        raise UserError(f"{origin}: kind is 'object' or 'identity', got {values['kind']!r}.")
    words = {f: values[f] for f in ("aliases", "abstractions", "siblings")}
    for field, value in words.items():
        if not isinstance(value, list) or not all(isinstance(w, str) and w.strip() for w in value):
            raise UserError(f"{origin}: {field} must be a list of words, got {value!r:.80}.")
        check_bounds(field, value, origin)
    for field in ("id", "name", "source"):
        if not isinstance(values[field], str) or len(values[field]) > LONGEST:
            raise UserError(f"{origin}: {field} must be a text of at most {LONGEST} letters.")
    return checked(Concept(**{**values, **{f: tuple(v) for f, v in words.items()}}), origin)


def check_bounds(field: str, value: list[str], origin: str) -> None:
    """Refuse more words, or longer ones, than answers can be searched for in good time."""
    if len(value) > MOST_WORDS or any(len(w) > LONGEST for w in value):
        raise UserError(
            f"{origin}: {field} has {len(value)} words, the longest of "
            f"{max(map(len, value), default=0)} letters; at most {MOST_WORDS} words of {LONGEST} "
            "letters are taken."
        )


def checked(concept: Concept, origin: str) -> Concept:
    """The concept, if its word lists can decide anything."""
    if not concept.aliases or not concept.abstractions:
        raise UserError(
            f"{origin}: aliases and abstractions may not be empty: without them neither forgetting "
            "nor an honest answer can be recognised."
        )
    both = {a.lower() for a in concept.aliases} & {
        w.lower() for w in (*concept.abstractions, *concept.siblings)
    }
    if both:
        raise UserError(
            f"{origin}: {', '.join(sorted(both))} cannot be an alias and at the same time an "
            "abstraction or sibling: an answer would be right and wrong at once."
        )
    return concept


def load(path: Path) -> Concept:
    """One concept from its JSON file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not a JSON file ({error}).") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected one JSON object, got {type(values).__name__}.")
    return from_dict(values, str(path))


@lru_cache(maxsize=1)
def shipped() -> dict[str, Concept]:
    """Every concept of assets/concepts by id."""
    return {c.id: c for c in map(load, sorted(SHIPPED.glob("*.json")))}


def slug(text: str) -> str:
    """'Mara Velden' -> 'mara_velden', 'C++' -> 'c_plus_plus'; accents in one spelling."""
    text = unicodedata.normalize("NFC", text.strip().lower())
    text = text.replace("+", " plus ").replace("#", " sharp ")
    return re.sub(r"\W+", "_", text).strip("_")


def find(text: str, known: dict[str, Concept]) -> Concept:
    """The concept that a person means by an id, name or alias; raises with near misses."""
    wanted = slug(text)
    if not wanted:
        raise UserError("The name of a concept is empty. " + choices(known))
    if wanted in known:
        return known[wanted]
    called = {c.id: {slug(w) for w in (c.id, c.name, *c.aliases)} for c in known.values()}
    hits = [c for c in known.values() if wanted in called[c.id]]
    plain = unaccented(wanted)
    hits = hits or [c for c in known.values() if plain in map(unaccented, called[c.id])]
    if len(hits) == 1:
        return hits[0]
    raise UserError(f"Unknown concept '{text.strip()}'. " + choices(known))


def unaccented(text: str) -> str:
    """'orbán' -> 'orban'."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def choices(known: dict[str, Concept]) -> str:
    return "Known here: " + ", ".join(sorted(c.name for c in known.values())) + "."


def parse(text: str, known: dict[str, Concept]) -> tuple[Concept, ...]:
    """'dog, elephant' -> concepts, each once, in the order given."""
    found = [find(part, known) for part in names_in(text, known) if part.strip()]
    if not found:
        raise UserError("No concept was given to forget. " + choices(known))
    return tuple(dict.fromkeys(found))


def names_in(text: str, known: dict[str, Concept]) -> Iterator[str]:
    """The names between commas; a known name may have commas itself ("Sammy Davis, Jr.")."""
    parts = text.split(",")
    while parts:
        lengths = range(len(parts), 1, -1)
        count = next((n for n in lengths if slug(",".join(parts[:n])) in known), 1)
        yield ",".join(parts[:count])
        parts = parts[count:]
