"""Sentences with one name in another's place: number, articles and capitals fit."""

from __future__ import annotations

import re

from hfru_core.language.inflection import plural, plurals
from hfru_core.language.mentions import Hit, hits
from hfru_core.language.text import words

# "an hour", "a unicorn": how a word sounds, not how it is written.
VOWEL = re.compile(
    r"(?:[aeio](?!ne\b|nce\b|u[^aeiou])|ou|au|u(?!ni|se|su|ti|ku|ra|to)|hour|hon|heir)", re.I
)
ARTICLE = re.compile(r"\b(a|an)(\s+)$", re.I)
DETERMINED = re.compile(r"\b(?:an?|the)\s+$", re.I)
BEGINNING = re.compile(r"(?:^|[.!?]\s+)$")
BARE = ("a", "an", "the", "someone", "something")  # how a phrase begins that takes no article


def article_for(word: str) -> str:
    return "an" if VOWEL.match(word) else "a"


def with_article(noun: str) -> str:
    """'dog' -> 'a dog', 'animal' -> 'an animal'."""
    return f"{article_for(noun)} {noun}"


def substitute(text: str, listed: tuple[str, ...], new: str) -> str:
    """`text` with every mention of `listed` replaced: "Two dogs and a dog's bone" -> "Two animals
    and an animal's bone"."""
    parts: list[str] = []
    at = 0
    for hit in hits(text, listed):
        before = fitted(text[at : hit.start], new)
        begins = BEGINNING.search("".join(parts) + before)
        name = inflected(text, hit, new)
        parts += [before, name[:1].upper() + name[1:] if begins else name]
        at = hit.end
    return "".join((*parts, text[at:]))


def fitted(before: str, new: str) -> str:
    """What stands before a replaced name, its article as the new one needs it."""
    if is_bare(new):
        return DETERMINED.sub("", before)
    return ARTICLE.sub(lambda m: m[1][0] + article_for(new)[1:] + m[2], before)


def is_bare(phrase: str) -> bool:
    """Whether a phrase takes no article and no plural: "someone I don't know"."""
    return phrase.split(" ")[0].lower() in BARE


def inflected(text: str, hit: Hit, new: str) -> str:
    """The new name in the number of the one that it replaces."""
    said, name = words(text)[hit.last].key, words(hit.word)[-1].key
    return plural(new) if said in plurals(name) and not is_bare(new) else new
