"""Where a text names one of a list of words, in any of their forms and spellings.

"fire truck" is found in "Two fire-trucks", "FIRETRUCK's" and "fire\ntruck". What is said about it
(that it is not there, perhaps) is for `assertion.py` to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from simplemma import lemmatize

from hfru_core.language.asian import OTHER_THINGS
from hfru_core.language.inflection import forms
from hfru_core.language.languages import language_of
from hfru_core.language.text import HANGUL, UNSPACED, Word, folded, words

LEMMATISED = ("de", "fr", "es")
GAP = re.compile(r"'?[\s\-‐‑–/_.,·+&]{0,4}")  # between the words of a name: "Davis, Jr."
KATAKANA = re.compile(r"[\u30a1-\u30fa\u30fc]+")
HYPHEN = re.compile(r"[-‐‑_]")
SHORTEST = 3  # letters of the parts of a word that is written apart
MOST_WORDS = 6
PARTICLES = re.compile(
    r"(?:들)?(?:은|는|이|가|을|를|의|와|과|도|만|에|에서|에게|께|로|으로|처럼|같은|한테|까지|부터|이나|나"
    r"|랑|이랑|하고|뿐|라고|이라고|라는|이라는|보다|마다|조차|마저|인|인데|이며|며|이고|고"
    r"|지만|이지만|인지는|입니다|이다|다|이에요|예요|이야|야|였다|였습니다|이었습니다|일|인지|이네요|네요|이군요|임)*"
)
COUNTED = re.compile(r"\d+|한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|몇|여러")  # 개 after it counts


@dataclass(frozen=True)
class Hit:
    """A word of a list, found in a text: its characters there, and its words' numbers."""

    word: str
    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Lexicon:
    """A list of words ready to be found: spellings without gaps, and where their parts end."""

    spellings: dict[str, tuple[str, frozenset[int]]]
    begun: frozenset[str]  # how spellings begin, at any length
    scripts: tuple[tuple[str, str], ...]  # (folded, word) of scripts without our kind of words


@lru_cache(maxsize=4096)
def lexicon(listed: tuple[str, ...]) -> Lexicon:
    """The forms of every word of a list."""
    spellings: dict[str, tuple[str, frozenset[int]]] = {}
    scripts = []
    for word in listed:
        plain = folded(word).text.strip()
        if UNSPACED.search(plain) or HANGUL.search(plain):
            scripts.append((plain, word))
            continue
        for parts in forms(word):
            ends = [sum(map(len, parts[: i + 1])) for i in range(len(parts) - 1)]
            spellings.setdefault("".join(parts), (word, frozenset(ends)))
    scripts.sort(key=lambda pair: -len(pair[0]))
    begun = frozenset(s[:n] for s in spellings for n in range(1, len(s) + 1))
    return Lexicon(spellings, begun, tuple(scripts))


@lru_cache(maxsize=16384)
def hits(text: str, listed: tuple[str, ...]) -> tuple[Hit, ...]:
    """Every mention, in order, the longest where several begin; they do not overlap."""
    known = lexicon(listed)
    tokens = words(text)
    lemmas = lemmas_of(text)
    found: list[Hit] = []
    at = 0
    while at < len(tokens):
        hit = longest_at(tokens, lemmas, at, known) if known.spellings else None
        found += [hit] if hit else []
        at = hit.last + 1 if hit else at + 1
    found += in_scripts(text, tokens, known)
    return tuple(sorted(found, key=lambda h: h.start))


@lru_cache(maxsize=8192)
def lemmas_of(text: str) -> tuple[str, ...]:
    """The base forms of the words of a German, French or Spanish text; else the words."""
    code = language_of(text)
    if code not in LEMMATISED:
        return tuple(w.key for w in words(text))
    plain = text.title() if text.isupper() else text  # nouns of German are known by capitals
    said = (lemmatize(plain[w.start : w.end], lang=code) for w in words(text))
    return tuple(folded(lemma).text for lemma in said)


def longest_at(
    tokens: tuple[Word, ...], lemmas: tuple[str, ...], at: int, known: Lexicon
) -> Hit | None:
    """The longest spelling that begins with a word."""
    best, joined = None, ""
    ends: list[int] = []
    for i in range(at, min(at + MOST_WORDS, len(tokens))):
        if i > at and not GAP.fullmatch(tokens[i].before):
            break
        before, joined = joined, joined + tokens[i].key
        spelled = known.spellings.get(joined) or known.spellings.get(before + lemmas[i])
        if spelled and may_be_apart(tokens[at : i + 1], ends, spelled[1]):
            best = Hit(spelled[0], tokens[at].start, tokens[i].end, at, i)
        if joined not in known.begun:
            break
        ends.append(len(joined))
    return best


def may_be_apart(parts: tuple[Word, ...], ends: list[int], allowed: frozenset[int]) -> bool:
    """Whether gaps stand where the word has some, or where one may write it apart."""
    if all(e in allowed for e in ends):
        return True
    return all(HYPHEN.search(p.before) for p in parts[1:]) or (
        all(len(p.key) >= SHORTEST for p in parts) and all("," not in p.before for p in parts[1:])
    )


def in_scripts(text: str, tokens: tuple[Word, ...], known: Lexicon) -> Iterator[Hit]:
    """Mentions in Chinese, Japanese and Korean."""
    plain, places = folded(text) if known.scripts else ("", ())
    taken: set[int] = set()
    for needle, word in known.scripts:
        for found in re.finditer(re.escape(needle), plain):
            start, end = places[found.start()], places[found.end()]
            if taken & set(range(start, end)) or not stands_alone(plain, found, tokens):
                continue
            taken |= set(range(start, end))
            inside = [i for i, w in enumerate(tokens) if w.start <= start < w.end]
            yield Hit(word, start, end, inside[0] if inside else 0, inside[0] if inside else 0)


def stands_alone(plain: str, found: re.Match[str], tokens: tuple[Word, ...]) -> bool:
    """Whether it is the word: Korean ones begin a word and end in particles; 熊猫 is no cat."""
    if KATAKANA.fullmatch(found[0]):
        around = plain[: found.start()][-1:] + plain[found.end() :][:1]
        return not KATAKANA.search(around)
    if not HANGUL.search(found[0]):
        return not any(
            m.start() <= found.start() and found.end() <= m.end() and m[0] != found[0]
            for other in OTHER_THINGS
            if found[0] in other
            for m in re.finditer(other, plain)
        )
    before, rest = plain[: found.start()], re.match(r"\w*", plain[found.end() :])
    if before[-1:].isalnum() or not PARTICLES.fullmatch(rest[0] if rest else ""):
        return False
    return not (
        len(found[0]) == 1 and COUNTED.fullmatch(before.split()[-1] if before.split() else "")
    )


def mentions(text: str, listed: tuple[str, ...]) -> int:
    """How often a text names one of the words ('man' is not in 'woman')."""
    return len(hits(text, listed)) if listed else 0
