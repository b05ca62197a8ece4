"""Compounds that name another thing: a hot dog is no dog, by WordNet's own entries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from hfru_core.language.dictionary import Dictionary, dictionary, is_noun, key
from hfru_core.language.european import ENGLISH
from hfru_core.language.inflection import numbers
from hfru_core.language.mentions import GAP, Hit
from hfru_core.language.text import COLOURS, Word, words

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
    own = keys_of(names)
    akin = meant(hit.word, names, general)
    for compound, ends in around(words(text), hit):
        synsets = [s.synset for s in dictionary().senses(compound)]
        if key(compound) in own or not synsets or any(s in akin for s in synsets):
            continue
        if not literal(text, hit, synsets) if ends else tells_other(compound, synsets, hit.word):
            return compound
    return None


def solid_names(
    text: str, names: tuple[str, ...], general: tuple[str, ...], found: Iterable[Hit]
) -> list[Hit]:
    """Words that end in one of the names and are such a thing: a sheepdog, a greyhound."""
    ends = endings(names)
    taken = {i for h in found for i in range(h.first, h.last + 1)}
    return [
        Hit(w.key, w.start, w.end, i, i)
        for i, w in enumerate(words(text))
        if i not in taken
        and w.key.endswith(ends)
        and any(means(f, family(names, general)) for f in numbers(w.key))
    ]


@lru_cache(maxsize=4096)
def endings(names: tuple[str, ...]) -> tuple[str, ...]:
    """The forms of the names of one word."""
    return tuple(f for n in names if n.isalpha() and len(n) > 2 for f in numbers(n.lower()))


@lru_cache(maxsize=16384)
def meant(word: str, names: tuple[str, ...], general: tuple[str, ...]) -> frozenset[int]:
    """What a name of a concept can be: "bike" of "bicycle, bike" is no motorcycle."""
    akin = family(names, general)
    known = any(s.synset in akin for s in dictionary().senses(word))
    return akin if known else akin | family((word,), general)


@lru_cache(maxsize=4096)
def keys_of(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(key, names))


def means(compound: str | None, own: frozenset[int]) -> bool:
    """Whether a compound may mean one of these senses."""
    return bool(compound) and any(s.synset in own for s in dictionary().senses(str(compound)))


def literal(text: str, hit: Hit, synsets: list[int]) -> bool:
    """Whether a compound that ends in the name may be taken word by word: "a black cat" (a marten
    in the dictionary), "a piece of cake"."""
    before = words(text)[hit.first - 1 : hit.first]
    apart = bool(before) and words(text)[hit.first].before.isspace()
    hidden = not any(s in dictionary().visible for s in synsets)
    return apart and (hidden or before[0].key in COLOURS)


def tells_other(compound: str, synsets: list[int], name: str) -> bool:
    """Whether a compound that begins with the name shows none: a dog collar, a bus stop."""
    hidden = not any(s in dictionary().visible for s in synsets)
    return hidden or alive(synsets[0]) or made_for(compound, synsets[0], name)


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
