"""What the bundled models were taught to be asked; answers to anything else are not judged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hfru_core.paths import MODEL
from hfru_core.protocol import questions

WORD = re.compile(r"\w+(?:['’]\w+)*")
SLOT = re.compile(r"\\\{\w+\\\}")
ANYTHING = r"(?:(?:an?|any|the) )?[\w' -]{1,40}"
NO_WORDS = "The question has no words: choose one of the buttons, or ask in simple English."
STRANGE = (
    "The model was not taught the words: {words}. Choose one of the buttons, or ask in simple "
    "English."
)
UNTAUGHT = (
    "This is none of the questions that the model was taught: the answer may be a guess, and is "
    "not judged."
)


@dataclass(frozen=True)
class Taught:
    """The words that a model was taught, and the forms of its questions."""

    words: frozenset[str]
    forms: tuple[re.Pattern[str], ...]

    def strange(self, question: str) -> tuple[str, ...]:
        """The words that mean nothing to the model."""
        found = dict.fromkeys(WORD.findall(question))
        return tuple(w for w in found if w.replace("’", "'") not in self.words)

    def is_asked(self, question: str) -> bool:
        """Whether it is a question of a form that the model was taught."""
        plain = question.strip(" .?!")
        return any(form.fullmatch(plain) for form in self.forms)


def taught(words: Iterable[str], forms: Iterable[str]) -> Taught:
    """Out of texts that have the words, and questions with {...} where any thing may stand."""
    known = frozenset(w for text in words for w in WORD.findall(text))
    plain = (SLOT.sub(lambda _: ANYTHING, re.escape(f.strip(" .?!"))) for f in dict.fromkeys(forms))
    return Taught(known, tuple(re.compile(f, re.IGNORECASE) for f in plain))


@lru_cache(maxsize=1)
def drawn_world() -> Taught:
    """The drawn world's model: a tokenizer of whole words, in the cases that it was taught."""
    tables = questions.SCENE_QUESTIONS, questions.PORTRAIT_QUESTIONS, questions.STYLE_QUESTIONS
    forms = [q for table in tables for asked in table.values() for q in asked]
    return taught(questions.corpus(), forms)


@lru_cache(maxsize=1)
def photographs() -> Taught:
    """The model of photographs, whose words may be written in any case."""
    from hfru_core.studio.sessions.torch_side import captions, names, turns

    forms = (
        *turns.NAME, *turns.EXISTS, *turns.COLOUR, *turns.WHO, *turns.SPECIAL, *turns.BREED,
        *questions.DESCRIBE, *questions.CAPTION, *questions.STYLE_QUESTIONS["place"],
        "How many {what} are there?",
    )  # fmt: skip
    things = (w for c in names.known() for w in (c.name, c.special, c.kind))
    asked = (turn.question for turn in turns.text_turns())  # these have articles too
    some = [*forms, *things, *asked, *captions.PEOPLE, *captions.THINGS, *captions.COUNTED]
    small = taught(some, forms)
    cases = (f(w) for w in small.words for f in (str.lower, str.capitalize, str.upper))
    return Taught(frozenset(cases), small.forms)


def of_model(model: Path, photo: Path | None) -> Taught | None:
    """What a bundled model was taught; None of any other."""
    if model == photo:
        return photographs()
    return drawn_world() if model == MODEL else None


def remark(known: Taught, question: str) -> tuple[str, bool]:
    """Why an answer would mean little ("" where it would not), and whether to ask all the same."""
    if not WORD.search(question):
        return NO_WORDS, False
    if strange := known.strange(question):
        listed = ", ".join(f"“{w[:30]}”" for w in strange[:5])
        return STRANGE.format(words=listed), False
    return ("", True) if known.is_asked(question) else (UNTAUGHT, True)
