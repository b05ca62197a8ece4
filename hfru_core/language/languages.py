"""Which language a text is in, by its script and its small words."""

from __future__ import annotations

import re
from functools import lru_cache

from simplemma import is_known

from hfru_core.language.asian import SCRIPTS
from hfru_core.language.dictionary import is_noun, key
from hfru_core.language.european import ENGLISH, FRENCH, GERMAN, SPANISH
from hfru_core.language.text import HANGUL, UNSPACED, folded, words

KANA = re.compile(r"[\u3040-\u30ff]")
OTHER_SCRIPT = re.compile(
    r"[\u0370-\u03ff\u0400-\u052f\u0530-\u06ff\u0900-\u0fff\u1000-\u10ff\u1200-\u137f\u1780-\u17ff]"
)  # Greek, Cyrillic, Armenian, Hebrew, Arabic, the scripts of India and South-East Asia, Ethiopic
LANGUAGES = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}
LANGUAGE_NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish",
    "zh": "Chinese", "ja": "Japanese", "ko": "Korean",
}  # fmt: skip


@lru_cache(maxsize=4096)
def speaks(word: str, code: str) -> bool:
    """Whether a word may be one of a language, by its script and, in Latin, by simplemma's list.

    Names with several words are taken for words of every Latin language.
    """
    if code in SCRIPTS:
        return {"zh": UNSPACED, "ja": UNSPACED, "ko": HANGUL}[code].search(word) is not None
    if HANGUL.search(word) or UNSPACED.search(word) or OTHER_SCRIPT.search(word):
        return False
    if code == "en":
        return True
    english = is_noun(key(word))  # "Puppy" is in the list of German words too
    return not english and any(is_known(w, lang=code) for w in (word, word.lower(), word.title()))


@lru_cache(maxsize=8192)
def language_of(text: str) -> str:
    """The language of a text by its script and small words: a code, "en" for what shows nothing,
    "" where it is none of those known here."""
    if HANGUL.search(text):
        return "ko"
    if UNSPACED.search(text):
        return "ja" if KANA.search(text) else "zh"
    if OTHER_SCRIPT.search(folded(text).text):
        return ""
    said = [w.key for w in words(text)]
    votes = {code: sum(w in lang.function for w in said) for code, lang in LANGUAGES.items()}
    best = max(votes, key=votes.__getitem__)
    return best if votes[best] > votes["en"] else "en"
