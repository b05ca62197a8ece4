"""A person's own concept: its words, suggested by the dictionary.

A person edits the words (other names, more general words, what it could be confused with) before
anything is trained.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from hfru_core.concepts import checked, shipped, slug
from hfru_core.language import wordlists
from hfru_core.types import Concept, UserError

Kind = Literal["object", "identity"]
TITLES = frozenset(
    "jr sr dr mr mrs ms sir lady lord dame prof saint st the of de von van der den di da del la le "
    "al bin ibn ii iii iv".split()
)
FALLBACK = {
    "object": ("thing", "object", "something"),
    "identity": ("someone I don't know", "someone", "person", "man", "woman"),
}


def suggest(name: str, kind: Kind = "object", sense: int | None = None) -> Concept:
    """A concept with word lists to be edited: the dictionary's, and those of a shipped concept.

    `sense` is the number of one of `wordlists.senses(name)`. Raises where the dictionary has
    neither the name nor its last word; nobody is asked who looks like a person.
    """
    if not slug(name):
        raise UserError("The concept has no name: give a word such as 'garden gnome'.")
    if kind not in FALLBACK:
        raise UserError(f"A concept is of kind 'object' or 'identity', got '{kind}'.")
    if kind == "identity":
        known = shipped().get(slug(name))
        return known or listed(name.strip(), kind, {"aliases": parts_of_name(name)})
    found = wordlists.words_for(name.strip(), sense)
    lists = {
        "aliases": found.names, "abstractions": found.abstractions, "siblings": found.siblings,
    }  # fmt: skip
    known = shipped().get(slug(name)) if sense is None else None
    if known:
        lists = {field: (*getattr(known, field), *words) for field, words in lists.items()}
    return listed(name.strip(), kind, {field: list(words) for field, words in lists.items()})


def parts_of_name(name: str) -> list[str]:
    """A person's names one by one, without titles: "Sammy Davis, Jr." -> Sammy, Davis."""
    parts = [part.strip(" ,.") for part in name.split()]
    return [p for p in parts if len(p) > 1 and p.lower() not in TITLES]


def listed(name: str, kind: Kind, found: dict[str, list[str]]) -> Concept:
    """A concept from lists that may overlap: a word counts for the first list that has it."""
    lists = [found.get(field, []) for field in ("aliases", "abstractions", "siblings")]
    called, general, beside = wordlists.apart(
        [name, *lists[0]], [*lists[1], *FALLBACK[kind]], lists[2]
    )
    concept = Concept(slug(name), name, kind, called, general, beside, "a person's own")
    return checked(concept, f"'{name}'")


def save(concept: Concept, folder: Path) -> Path:
    """Write the concept beside its images, where a `folder:` source finds it."""
    file = folder / "concept.json"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(concept), indent=2) + "\n", encoding="utf-8")
    return file
