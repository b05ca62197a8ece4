"""The words that decide about a noun: its names, more general words, and what it is confused with.

All from WordNet. Names are the words of a sense and of everything more special, abstractions the
words that people say for what is more general, siblings the other things of the same kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from hfru_core.language.dictionary import Dictionary, Sense, key
from hfru_core.language.inflection import numbers

LEAST = 0.5  # share of a word's use from which it names something more general
LEAST_OWN = 0.1  # the same for the words of the sense itself
MOST = 1000
# "a young horse", "uncastrated adult male of domestic cattle"
STARTS = re.compile(
    r"(?:an? |the )?(?:(?:young|mature|adult|female|male|uncastrated|castrated|immature|newborn|baby)"
    r"(?: or \w+)?\s+)+(?:of (?:an?|the)? ?)?"
)
ENDS = re.compile(r"[,;:(]|\b(?:of|with|that|which|in|on|under|having|used|kept|or|less|who)\b")
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
    family = [*book.family(synset), *young(book, synset)]
    inside = frozenset(family)
    own = [u for u in book.uses(synset) if book.share(u, inside) >= LEAST_OWN]
    below = [u for s in family[1:] for u in book.uses(s) if book.share(u, inside) >= LEAST]
    below.sort(key=lambda u: -u.count)
    return unique(u.word for u in (*own, *below) if "'s" not in u.word)[:MOST]


def young(book: Dictionary, synset: int) -> list[int]:
    """The young and the sexes of an animal, which WordNet has elsewhere: kitten, "young domestic
    cat"."""
    own = {key(u.word) for u in book.uses(synset)}
    return [i for i in book.family(book.senses("animal")[0].synset) if genus(book.gloss(i)) in own]


def genus(gloss: str) -> str:
    """The noun that a gloss begins with: "young of domestic cattle" -> cattle."""
    begun = STARTS.match(gloss)
    phrase = gloss[begun.end() :] if begun else ""
    return key(last_word(phrase))


def last_word(phrase: str) -> str:
    """The last word before what tells more."""
    head = ENDS.split(phrase, maxsplit=1)[0].split()
    return head[-1] if head else ""


def unique(found: Iterable[str]) -> list[str]:
    """Each word once, by its letters."""
    kept: dict[str, str] = {}
    for word in found:
        kept.setdefault(key(word), word)
    return list(kept.values())


def chosen(book: Dictionary, noun: str) -> Sense | None:
    """The sense that a picture is likely to show: frequent, and with many things below it."""
    for form in numbers(noun) if noun.isalpha() else (noun,):
        if senses := book.senses(form):
            seen = [s for s in senses if s.synset in book.visible] or senses
            return max(seen, key=lambda s: (weight(book, s), -s.use.number))
    return None


def weight(book: Dictionary, sense: Sense) -> float:
    return sense.use.count + math.log2(len(book.family(sense.synset)) + 1)
