"""A person's own concept: its words, suggested by the model's decoder from text alone.

A person edits the words (other names, more general words, what it could be confused with) before
anything is trained.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal, Protocol

from hfru_core.concepts import checked, shipped, slug
from hfru_core.types import Concept, UserError

Kind = Literal["object", "identity"]
QUESTIONS = {
    "aliases": "Which other words and names mean the same as '{name}'? Give a list with commas.",
    "abstractions": "What kind of thing is a {name}? Give one or two more general words.",
    "siblings": "Which five other things of that kind could be confused with a {name}? Give a "
    "list with commas.",
}
FALLBACK = {
    "object": ("thing", "object", "something"),
    "identity": ("someone I don't know", "someone", "person", "man", "woman"),
}
LONGEST = 3  # words of a name
MOST = 8  # names of a list


class Decoder(Protocol):
    """A language model that answers questions, with the fingerprint of its weights."""

    def answer(
        self, images: Sequence[None], questions: Sequence[str], max_new: int = ...
    ) -> list[str]: ...

    def fingerprint(self) -> str: ...


def suggest(
    decoder: Decoder, name: str, kind: Kind = "object", cache: Path | None = None
) -> Concept:
    """A concept with word lists to be edited: shipped ones for a known name, else the decoder's.

    The decoder's answers are cached in the folder `cache`.
    """
    if not slug(name):
        raise UserError("The concept has no name: give a word such as 'garden gnome'.")
    if kind not in FALLBACK:
        raise UserError(f"A concept is of kind 'object' or 'identity', got '{kind}'.")
    known = shipped().get(slug(name))
    if known:
        return known
    if kind == "identity":  # No decoder is asked who looks like a person: it would invent.
        return listed(name.strip(), kind, {"aliases": name.split()})
    return listed(name.strip(), kind, decoder_lists(decoder, name.strip(), cache))


def decoder_lists(decoder: Decoder, name: str, cache: Path | None) -> dict[str, list[str]]:
    """The decoder's lists of words about a name."""
    file = cache / f"{slug(name)}-{decoder.fingerprint()}.json" if cache else None
    if file and file.is_file():
        return json.loads(file.read_text(encoding="utf-8"))
    questions = [q.format(name=name) for q in QUESTIONS.values()]
    answers = decoder.answer([None] * len(questions), questions, max_new=48)
    found = {field: names_in(text) for field, text in zip(QUESTIONS, answers)}
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found), encoding="utf-8")
    return found


def names_in(text: str) -> list[str]:
    """The short names that an answer lists: 'Sure: 1. a cat, 2. the lynx' -> cat, lynx."""
    text = re.sub(r"^.*\b(?:is|are)\b", "", text.rpartition(":")[2], flags=re.I)
    parts = re.split(r",|;|\n|\band\b|\bor\b|\d+[.)]|[•*]|\.\s", text)
    cleaned = (re.sub(r"^(?:an?|the)\s+|[.'\"]", "", p.strip(), flags=re.I) for p in parts)
    short = (p.strip().lower() for p in cleaned if 0 < len(p.split()) <= LONGEST)
    return list(dict.fromkeys(p for p in short if re.search(r"[a-z]", p)))[:MOST]


def listed(name: str, kind: Kind, found: dict[str, list[str]]) -> Concept:
    """A concept from lists that may overlap: a word counts for the first list that has it."""
    aliases = tuple(dict.fromkeys([name, *found.get("aliases", [])]))
    taken = {a.lower() for a in aliases}
    general = [w for w in found.get("abstractions", []) if w.lower() not in taken]
    general += [w for w in FALLBACK[kind] if w not in general and w.lower() not in taken]
    taken |= {w.lower() for w in general}
    siblings = [w for w in found.get("siblings", []) if w.lower() not in taken]
    concept = Concept(
        slug(name), name, kind, aliases, tuple(general), tuple(siblings), "a person's own"
    )
    return checked(concept, f"'{name}'")


def save(concept: Concept, folder: Path) -> Path:
    """Write the concept beside its images, where a `folder:` source finds it."""
    file = folder / "concept.json"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(concept), indent=2) + "\n", encoding="utf-8")
    return file
