"""What a language says for yes, no, perhaps and "I can't tell": the fields of its tables.

Words are written as `text.words` compares them: lower case, without accents, "nt" for n't.
Expressions are matched against such words joined by spaces; those of a `Script` against the text
itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """How one language with spaces between its words says it."""

    function: frozenset[str]  # words by which a text of this language is known
    yes: re.Pattern[str]  # at the beginning of an answer
    no: re.Pattern[str]
    there: re.Pattern[str]  # "there is one": yes without saying so, nothing after it
    negators: frozenset[str]
    denying: re.Pattern[str]  # what denies with more than one word: "instead of"
    idioms: re.Pattern[str]  # negators that deny nothing: "not only", "no doubt"
    contrast: frozenset[str]  # words that end what a negator reaches
    joining: frozenset[str]  # words that carry it on: "no dog, cat or horse"
    absent: re.Pattern[str]  # after a name: "... cannot be seen"
    hedges: re.Pattern[str]  # before a name
    unable: re.Pattern[str]  # a sentence that declines to answer


def among(text: str) -> frozenset[str]:
    return frozenset(text.split())


def pattern(text: str) -> re.Pattern[str]:
    """An expression of whole words, written with free spacing."""
    return re.compile(rf"(?<!\S)(?:{' '.join(text.split())})(?!\S)")


@dataclass(frozen=True)
class Script:
    """How a language says it whose words are not apart, or that denies at a clause's end."""

    yes: re.Pattern[str]
    no: re.Pattern[str]
    there: re.Pattern[str]
    clauses: re.Pattern[str]  # what stands between clauses
    denied_before: re.Pattern[str]  # in front of the name, in its clause
    denied_after: re.Pattern[str]
    hedged: re.Pattern[str]
    unable: re.Pattern[str]
