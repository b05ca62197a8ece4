"""Things that a text names and that are not in a picture whose content is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from hfru_core.language.dictionary import Dictionary, dictionary, key
from hfru_core.language.european import ENGLISH
from hfru_core.language.inflection import numbers
from hfru_core.language.mentions import GAP, Hit, hits
from hfru_core.language.text import Word, words
from hfru_core.language.wordlists import TOO_GENERAL

# What people count as things in a picture; scenery and parts (grass, wall, collar) are not told.
KINDS = (
    ("animal", 1), ("vehicle", 1), ("musical instrument", 1), ("food", 1), ("fruit", 1),
    ("furniture", 1), ("tool", 1), ("weapon", 1), ("kitchen utensil", 1), ("home appliance", 1),
    ("plant", 1),
)  # fmt: skip
MOSTLY = 0.6  # of a word's use must be for such a thing
LONGEST = 3
STOP = re.compile(r"[.,;:!?]")
MANY = re.compile(r"\b(?:various|certain)\b")
BEFORE_NOUNS = frozenset(
    "a an the of with his her its their some many several two three four five six".split()
)


@lru_cache(maxsize=1)
def things() -> frozenset[int]:
    """Everything of these kinds, but the kinds themselves."""
    book = dictionary()
    roots = {s.synset for word, n in KINDS for s in book.senses(word) if s.use.number == n}
    return frozenset(x for r in roots for x in book.family(r)) - roots


def strangers(
    text: str, known: tuple[str, ...], present: tuple[str, ...], general: tuple[str, ...]
) -> list[Hit]:
    """Names of things in a text that are none of `known`, nor more general or special ones.

    Things of the kinds in `general` count too.
    """
    book, tokens = dictionary(), words(text)
    taken = {i for h in hits(text, known) for i in range(h.first, h.last + 1)}
    akin = related(book, present)
    kinds = things() | kinds_of(book, general)
    found, at = [], 0
    while at < len(tokens):
        hit = None if at in taken else thing_at(text, at, kinds)
        if hit and not taken & set(range(hit.first, hit.last + 1)):
            if not any(s.synset in akin for s in book.senses(hit.word)):
                found.append(hit)
        at = hit.last + 1 if hit else at + 1
    return found


@lru_cache(maxsize=512)
def related(book: Dictionary, present: tuple[str, ...]) -> frozenset[int]:
    """What is there, in every sense, and everything more general or special."""
    senses = [s.synset for name in present for f in singles(name) for s in book.senses(f)]
    if any(s in animals(book) for s in senses):
        senses += young_of_many(book)
    return frozenset(x for s in senses for x in (*book.family(s), *book.ancestors(s)))


@lru_cache(maxsize=1)
def animals(book: Dictionary) -> frozenset[int]:
    return frozenset(book.family(book.senses("animal")[0].synset))


@lru_cache(maxsize=1)
def young_of_many(book: Dictionary) -> tuple[int, ...]:
    """The young that many animals have: a calf is one of cattle, whales or elephants."""
    young = book.family(book.senses("young")[0].synset)
    return tuple(i for i in young if MANY.search(book.gloss(i)))


def singles(name: str) -> Iterator[str]:
    """A name of one or several words in the singular and the plural."""
    *before, last = name.split()
    return (" ".join((*before, form)) for form in numbers(last.lower()))


@lru_cache(maxsize=512)
def kinds_of(book: Dictionary, general: tuple[str, ...]) -> frozenset[int]:
    """Everything that is of a kind, in its usual sense; "thing" and "object" are no kinds."""
    told = [word for word in general if key(word) not in TOO_GENERAL]
    senses = [next(iter(book.senses(word)), None) for word in told]
    return frozenset(x for s in senses if s for x in book.family(s.synset)[1:]) & book.visible


def thing_at(text: str, at: int, kinds: frozenset[int]) -> Hit | None:
    """The longest name of a thing that begins with a word."""
    tokens = words(text)
    for size in range(LONGEST, 0, -1):
        part = tokens[at : at + size]
        gaps = all(GAP.fullmatch(w.before) for w in part[1:])
        if len(part) < size or not gaps or part[0].key in ENGLISH.function:
            continue
        if name := entry(" ".join(w.key for w in part), kinds, is_noun_here(tokens, at, size)):
            return Hit(name, part[0].start, part[-1].end, at, at + size - 1)
    return None


def is_noun_here(tokens: tuple[Word, ...], at: int, size: int) -> bool:
    """Whether a noun phrase ends here: "a pair of ducks swims", "a duck in the pond"."""
    last = tokens[at + size - 1].key
    ended = all(
        STOP.search(w.before) or w.key in ENGLISH.function
        for w in tokens[at + size : at + size + 1]
    )
    plural = last.endswith("s") and not last.endswith(("ss", "us"))
    return bool(at) and tokens[at - 1].key in BEFORE_NOUNS and (ended or plural)


@lru_cache(maxsize=65536)
def entry(said: str, kinds: frozenset[int], noun: bool) -> str:
    """The noun as the dictionary has it, where it mostly means such a thing; else "".

    `noun` tells that it is no verb: "a pair of ducks". What is one word in the dictionary is no
    two: a "metal head" is no metalhead.
    """
    book = dictionary()
    before, _, last = said.rpartition(" ")
    for form in numbers(last):
        uses = [s.use for s in book.senses(before + form)]
        uses = [u for u in uses if not before or not u.word.isalpha()]
        if uses:
            return before + form if book.share(uses[0], kinds, noun) >= MOSTLY else ""
    return ""


def people(text: str, known: tuple[str, ...]) -> list[Hit]:
    """Names of several words with capitals that are none of `known`: "This is Karen Holt."."""
    if text.isupper():
        return []
    tokens, found, at = words(text), [], 0
    taken = {i for h in hits(text, known) for i in range(h.first, h.last + 1)}
    while at < len(tokens):
        end = at
        while end < len(tokens) and named_so(text, tokens[end], first=end == at):
            end += 1
        if end - at > 1 and not taken & set(range(at, end)):
            name = text[tokens[at].start : tokens[end - 1].end]
            found.append(Hit(name, tokens[at].start, tokens[end - 1].end, at, end - 1))
        at = max(end, at + 1)
    return found


def named_so(text: str, word: Word, first: bool) -> bool:
    """Whether a word has a capital, is no small word, and follows the one before in a name."""
    apart = first or word.before.isspace()
    return apart and text[word.start].isupper() and word.key not in ENGLISH.function
