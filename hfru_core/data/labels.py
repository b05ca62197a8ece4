"""What labels are called, and the concepts that they stand for."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from hfru_core import concepts
from hfru_core.data import authors
from hfru_core.types import Concept, Photo


def plain_name(label: str) -> str:
    """A label as concepts are named: 'Dog' -> 'dog', 'mara_velden' -> 'Mara Velden'."""
    concept = known().get(concepts.slug(label))
    plain = " ".join(unicodedata.normalize("NFC", label).lower().replace("_", " ").split())
    return concept.name if concept else plain


def known() -> dict[str, Concept]:
    """The concepts that labels may stand for without words of their own, by id."""
    return concepts.shipped() | authors.people()


def kind_word(name: str) -> str:
    """The first abstraction of a shipped concept, or 'thing'."""
    concept = concepts.shipped().get(concepts.slug(name))
    return concept.abstractions[0] if concept else "thing"


def photo_concepts(photos: tuple[Photo, ...], own: Mapping[str, Concept]) -> dict[str, Concept]:
    """The concepts that the images' labels stand for."""
    return label_concepts({p.name: (p.name, *p.also) for p in photos}, own)


def label_concepts(
    called: Mapping[str, tuple[str, ...]], own: Mapping[str, Concept]
) -> dict[str, Concept]:
    """Concepts by id from what each label is called; unknown ones get a plain concept."""
    there = known() | dict(own)
    return {
        concepts.slug(n): there.get(concepts.slug(n)) or plain_concept(n, called)
        for n in sorted(called)
    }


def plain_concept(name: str, called: Mapping[str, tuple[str, ...]]) -> Concept:
    others = [word for n, words in called.items() if n != name for word in words]
    return Concept(
        id=concepts.slug(name),
        name=name,
        kind="object",
        aliases=called[name],
        abstractions=("thing", "object", "something"),
        siblings=tuple(w for w in dict.fromkeys(others) if w not in called[name]),
        source="folder label",
    )
