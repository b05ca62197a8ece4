"""The forms of a noun: plurals by the package lemminflect."""

from __future__ import annotations

from functools import lru_cache

from lemminflect import getInflection, getLemma  # type: ignore[import-untyped]

from hfru_core.language.text import words

# What the package has not.
IRREGULAR = {
    "person": ("people",), "people": ("person", "persons"), "ox": ("oxen",), "die": ("dice",),
}  # fmt: skip
OF = {"of", "in", "de"}  # 'glass of wine': its first noun is inflected


@lru_cache(maxsize=65536)
def forms(noun: str) -> tuple[tuple[str, ...], ...]:
    """The ways to write a noun, each as the keys of its words; the given one first.

    Plurals of both kinds count ("octopuses", "octopi"), and the singular of what is given in the
    plural.
    """
    keys = tuple(w.key for w in words(noun))
    if not keys or not all(k.isascii() for k in keys):
        return (keys,) if keys else ()
    at = next((i - 1 for i, k in enumerate(keys) if k in OF and i), len(keys) - 1)
    return tuple(dict.fromkeys((*keys[:at], f, *keys[at + 1 :]) for f in numbers(keys[at])))


@lru_cache(maxsize=65536)
def numbers(word: str) -> tuple[str, ...]:
    """A word in its singular and plural forms; the given one first."""
    if not word.isalpha() or len(word) < 2:
        return (word, word + "s")
    singles = (s for s in getLemma(word, "NOUN") if word in getInflection(s, "NNS"))
    return tuple(dict.fromkeys((word, *plurals(word), *singles)))


def plurals(word: str) -> tuple[str, ...]:
    """The plurals of a word, without the word itself."""
    regular = word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")
    made = (*IRREGULAR.get(word, ()), *getInflection(word, "NNS"), regular)
    return tuple(p for p in dict.fromkeys(made) if p != word)


def plural(noun: str) -> str:
    """The plural of a noun or a name of several words: 'musical instruments'."""
    *before, last = noun.split(" ")
    return " ".join((*before, plurals(last)[0]))
