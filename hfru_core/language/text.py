"""A text as comparable words, each with its place in the original.

Compared without case, accents, Unicode variants and kinds of apostrophe: "Zoë’s" is zoe.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

APOSTROPHES = dict.fromkeys(map(ord, "’‘ʼ`´＇"), "'")
# The letter's symbols are a part of C++ and C#.
WORD = re.compile(r"(?<![^\W_])[a-z](?:\+\+|#)s?(?![^\W_])|[^\W_]+(?:'[^\W_]+)*'?")
POSSESSIVE = re.compile(r"(?:(?<=s)'|'s)$")
# French articles and pronouns that lean on the next word; O'Brien is one word.
# I'm, they're, we've: two words; it's and there's hold "is", other 's is possession.
WHOLE = {"'s": "is", "'m": "am", "'re": "are", "'ve": "have", "'ll": "will", "'d": "would"}
SHORTENED = re.compile(r"'(?:m|re|ve|ll|d)$")
PRONOUN = re.compile(r"(?:it|there|that|this|he|she|what|who|here|where|how)'s$")
ELISION = re.compile(r"(?:[cdjlmnst]|qu|jusqu|lorsqu)'(?=\w)")
SPACES = re.compile(r"\s\s")
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # kana and Han
COLOURS = frozenset("black white grey gray brown red blue green yellow orange purple".split())
HANGUL = re.compile(r"[\uac00-\ud7a3]")


class Word(NamedTuple):
    """A word: how it is compared, where it stands, and what lies between it and the one before."""

    key: str
    start: int
    end: int
    before: str


class Folded(NamedTuple):
    """A text as it is compared, and the original's place of each of its characters and its end."""

    text: str
    places: tuple[int, ...]


@lru_cache(maxsize=8192)
def folded(text: str) -> Folded:
    """The text without case, accents on Latin letters, and variants of Unicode."""
    if text.isascii():
        return Folded(text.lower(), tuple(range(len(text) + 1)))
    out: list[str] = []
    places: list[int] = []
    for start, cluster in clusters(text):
        plain = "" if unicodedata.category(cluster[0]) == "Cf" else fold(cluster)  # soft hyphens
        out.append(plain)
        places += [start] * len(plain)
    return Folded("".join(out), (*places, len(text)))


@lru_cache(maxsize=8192)
def clean(text: str) -> Folded:
    """The text with composed letters and single spaces, and where each stood before."""
    if text.isascii() and not SPACES.search(text):
        return Folded(text, tuple(range(len(text) + 1)))
    out: list[str] = []
    places: list[int] = []
    for start, cluster in clusters(text):
        char = unicodedata.normalize("NFC", cluster)
        if char.isspace() and out and out[-1].isspace():
            continue
        out.append(char)
        places += [start] * len(char)
    return Folded("".join(out), (*places, len(text)))


def clusters(text: str) -> list[tuple[int, str]]:
    """Characters with the combining marks that follow them, and where each begins."""
    found: list[tuple[int, str]] = []
    for i, char in enumerate(text):
        joins = unicodedata.combining(char) or "\u1160" <= char <= "\u11ff"
        if found and joins:
            found[-1] = (found[-1][0], found[-1][1] + char)
        else:
            found.append((i, char))
    return found


def fold(cluster: str) -> str:
    """One character as it is compared."""
    whole = unicodedata.normalize("NFKC", cluster).translate(APOSTROPHES).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFD", whole) if not unicodedata.combining(c))
    return bare if bare.isascii() else unicodedata.normalize("NFC", whole)


@lru_cache(maxsize=8192)
def words(text: str) -> tuple[Word, ...]:
    """The words of a text, in order; possessive endings are left out."""
    plain, places = folded(text)
    found: list[Word] = []
    last = 0
    for hit in WORD.finditer(plain):
        for start, end in pieces(plain, *hit.span()):
            piece = plain[start:end]
            key = WHOLE.get(piece) or piece.replace("'", "")
            found.append(Word(key, places[start], places[end], plain[last:start]))
            last = end
    return tuple(found)


def pieces(plain: str, start: int, end: int) -> list[tuple[int, int]]:
    """The parts of a word: l'animal is two, isn't is two, dog's is one without its ending."""
    word = plain[start:end]
    if elided := ELISION.match(word):
        middle = start + elided.end()
        return [(start, middle - 1), *pieces(plain, middle, end)]
    if word.endswith("n't") and len(word) > 3:
        return [(start, end - 3), (end - 3, end)]
    if ending := SHORTENED.search(word) or (PRONOUN.match(word) and POSSESSIVE.search(word)):
        return [(start, start + ending.start()), (start + ending.start(), end)]
    owner = POSSESSIVE.search(word)
    kept = owner.start() if owner else len(word.rstrip("'"))
    return [(start, start + kept)] if kept else []


def unspaced(text: str) -> bool:
    """Whether the text has letters of a script without spaces between words."""
    return UNSPACED.search(text) is not None
