"""The words that decide about a noun: its names, more general words, and what it is confused with.

All from WordNet. Names are the words of a sense and of everything more special, abstractions the
words that people say for what is more general, siblings the other things of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfru_core.language.dictionary import Dictionary, Sense, key
from hfru_core.language.inflection import numbers

LEAST = 0.5  # share of a word's use from which it names something more general
LEAST_OWN = 0.1  # the same for the words of the sense itself
MOST = 400
ABSTRACT = (
    "physical entity|entity|object|whole|living thing|organism|artifact|matter|thing|causal agent|"
    "physical object|unit|being|cause|substance|instrumentality|instrumentation|article|natural object|"
    "abstraction|group|part|piece|portion|commodity|way|unit of measurement|system|solid|"
    "placental|chordate|vertebrate|eutherian|placental mammal|craniate"
)
TOO_GENERAL = frozenset(key(w) for w in ABSTRACT.split("|"))


@dataclass(frozen=True)
class Words:
    """The three lists of a noun in one sense; no word is in two."""

    names: tuple[str, ...]
    abstractions: tuple[str, ...]
    siblings: tuple[str, ...]


def names(book: Dictionary, synset: int) -> list[str]:
    """The words for a sense and for everything more special that are mostly used for that.

    The usual ones come first: those of the sense itself, then by their count in tagged text.
    """
    family = book.family(synset)
    inside = frozenset(family)
    own = [u for u in book.uses(synset) if book.share(u, inside) >= LEAST_OWN]
    below = [u for s in family[1:] for u in book.uses(s) if book.share(u, inside) >= LEAST]
    below.sort(key=lambda u: -u.count)
    return unique(u.word for u in (*own, *below))[:MOST]


def unique(words) -> list[str]:  # type: ignore[no-untyped-def]
    """Each once, by its letters."""
    found: dict[str, str] = {}
    for word in words:
        found.setdefault(key(word), word)
    return list(found.values())


def chosen(book: Dictionary, noun: str) -> Sense | None:
    """The most frequent sense that a picture can show, or the first; also of a plural."""
    for form in numbers(noun) if noun.isalpha() else (noun,):
        if senses := book.senses(form):
            seen = [s for s in senses if s.synset in book.visible] or senses
            return max(seen, key=lambda s: (s.use.count, -s.use.number))
    return None
