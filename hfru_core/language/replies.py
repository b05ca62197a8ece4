"""What kind of reply a text is as a whole: yes, no, a refusal, or a loop."""

from __future__ import annotations

import re
from functools import lru_cache

from hfru_core.language.asian import SCRIPTS
from hfru_core.language.languages import LANGUAGES, language_of
from hfru_core.language.text import folded, unspaced, words

SENTENCES = re.compile(r"(?<=[.!?。！？])\s*|\n+")
OPENING = re.compile(r"^[\W_]+")
SHORT_PERIOD, SHORT_REPEATS, LONG_REPEATS = 3, 4, 2.5
CHARACTERS = re.compile(r"(.{1,4}?)\1{11,}", re.S)
# "I can't tell, this is someone I don't know": it says what it can.
HONEST = re.compile(r"\W*i (?:can't|cannot|don't) (?:tell|say|know)\s*,\s*(?:this|it|there|but)\b")


@lru_cache(maxsize=8192)
def said_yes(text: str) -> bool:
    """Whether a text answers yes: "Absolutely.", "There are two.", "是的，有一只。"."""
    code = language_of(text)
    if code in SCRIPTS:
        script, opening = SCRIPTS[code], OPENING.sub("", text)
        if script.no.match(opening):
            return False
        return bool(script.yes.match(opening) or script.there.match(opening))
    said = " ".join(w.key for w in words(text))
    return any(begins_with_yes(said, first_sentence(text), c) for c in yes_languages(code))


def yes_languages(code: str) -> tuple[str, ...]:
    """The languages to try: one word alone ("Oui.") does not tell which it is."""
    return (code, *(c for c in LANGUAGES if c != code)) if code == "en" else (code or "en",)


def begins_with_yes(said: str, first: str, code: str) -> bool:
    language = LANGUAGES[code]
    if language.no.match(said):
        return False
    if language.yes.match(said):
        return not opens_existential(said, code) or bool(language.there.fullmatch(first))
    return bool(language.there.fullmatch(first))


def opens_existential(said: str, code: str) -> bool:
    """Whether "yes" is only how a statement begins: "There is a cat." is no yes."""
    return code == "en" and bool(
        re.match(r"(?:there (?:is|are)|it (?:is|does)|they (?:are|do)|i (?:do|can))\b", said)
    )


def first_sentence(text: str) -> str:
    parts = [p for p in SENTENCES.split(text) if p and p.strip()]
    return " ".join(w.key for w in words(parts[0])) if parts else ""


@lru_cache(maxsize=8192)
def refuses(text: str) -> bool:
    """Whether a text declines to answer, and says nothing first."""
    code = language_of(text)
    if code in SCRIPTS:
        return bool(SCRIPTS[code].unable.search(text.strip()))
    if HONEST.match(folded(text).text):
        return False
    language = LANGUAGES.get(code, LANGUAGES["en"])
    sentences = [
        " ".join(w.key for w in words(s)) for s in SENTENCES.split(text) if s and s.strip()
    ]
    sentences = [s for s in sentences if s]
    if not sentences:
        return False
    joined = " ".join(sentences[:2])  # an apology may be a sentence of its own
    return bool(
        language.unable.match(sentences[0])
        or language.unable.match(joined)
        and apologises(sentences[0])
    )


def apologises(said: str) -> bool:
    return len(said.split()) <= 6


def is_degenerate(text: str) -> bool:
    """Whether a text is empty, without letters, or runs in a circle of any length."""
    tokens = [w.key for w in words(text) if not w.key.isdecimal()]
    if unspaced(text):
        tokens = [c for c in folded(text).text if c.isalpha()]
    if not any(any(c.isalpha() for c in t) for t in tokens):
        return True
    return bool(CHARACTERS.search(text)) or circles(tokens)


def circles(tokens: list[str]) -> bool:
    """Whether a stretch repeats: four times up to three words, else two and a half times."""
    n = len(tokens)
    for period in range(1, n // 2 + 1):
        needed = SHORT_REPEATS if period <= SHORT_PERIOD else LONG_REPEATS
        run = 0
        for i in range(n - period):
            run = run + 1 if tokens[i] == tokens[i + period] else 0
            if run + period >= needed * period:
                return True
    return False
