"""Compounds that name another thing: a hot dog is no dog, by WordNet's own entries."""

from __future__ import annotations

import re
from functools import lru_cache

from hfru_core.language.dictionary import Dictionary, dictionary, is_noun, key
from hfru_core.language.european import ENGLISH
from hfru_core.language.inflection import numbers
from hfru_core.language.mentions import GAP, Hit
from hfru_core.language.text import Word, words

LONGEST = 3  # words of a compound


@lru_cache(maxsize=4096)
def family(names: tuple[str, ...], general: tuple[str, ...]) -> frozenset[int]:
    """What a concept can be: its first known name in its usual sense, and in those that have one
    of its more general words, with everything more special."""
    book = dictionary()
    wanted = {key(w) for w in general}
    for name in names:
        if senses := [s.synset for s in book.senses(name) if s.synset in book.visible]:
            meant = {senses[0], *(s for s in senses if wanted & general_words(book, s))}
            return frozenset().union(*map(family_of, meant))
    return frozenset()


@lru_cache(maxsize=4096)
def general_words(book: Dictionary, synset: int) -> frozenset[str]:
    """Every word for what is more general."""
    return frozenset(key(u.word) for a in book.ancestors(synset) for u in book.uses(a))


def other_thing(
    text: str, hit: Hit, names: tuple[str, ...], general: tuple[str, ...]
) -> str | None:
    """The compound around a mention that names something else, or None.

    A hot dog is no dog, nor is an elephant seal an elephant. A clock tower shows a clock: where
    the name only tells what sort of object it is, it counts.
    """
    own = {key(n) for n in names}
    akin = family(names, general) | family((hit.word,), general)
    for compound, ends in around(words(text), hit):
        synsets = [s.synset for s in dictionary().senses(compound)]
        if key(compound) in own or not synsets or any(s in akin for s in synsets):
            continue
        if ends or alive(synsets[0]) or made_for(compound, synsets[0], hit.word):
            return compound
    return None


def alive(synset: int) -> bool:
    """Whether it is an animal or a plant."""
    book = dictionary()
    return any(synset in family_of(book.senses(kind)[0].synset) for kind in ("animal", "plant"))


def made_for(compound: str, synset: int, name: str) -> bool:
    """Whether it is something for the concept ("a collar for a dog"), or one word: doghouse."""
    book = dictionary()
    solid = any(u.word.isalpha() for u in book.uses(synset) if key(u.word) == key(compound))
    return solid or bool(re.search(rf"\bfor (?:an? |the )?{re.escape(name)}", book.gloss(synset)))


@lru_cache(maxsize=512)
def family_of(synset: int) -> frozenset[int]:
    return frozenset(dictionary().family(synset))


def around(tokens: tuple[Word, ...], hit: Hit) -> list[tuple[str, bool]]:
    """The nouns that the words around a mention make with it, the longest first, and whether the
    mention is their last word."""
    found = []
    for size in range(LONGEST, 0, -1):
        for first in range(max(0, hit.last - size + 1), hit.first + 1):
            part, last = tokens[first : first + size], first + size - 1
            more = last >= hit.last and (first, last) != (hit.first, hit.last)
            if len(part) == size and more and together(part) and (name := spelled(part)):
                found.append((name, last == hit.last))
    return found


def together(part: tuple[Word, ...]) -> bool:
    """Whether words could be one name: no comma between them, no small word at an end."""
    small = {part[0].key, part[-1].key} & ENGLISH.function
    return not small and all(GAP.fullmatch(w.before) and "," not in w.before for w in part[1:])


def spelled(part: tuple[Word, ...]) -> str:
    """The words as an entry has them, the last in the singular; "" where there is none."""
    before = "".join(w.key for w in part[:-1])
    return next((before + f for f in numbers(part[-1].key) if is_noun(before + f)), "")
