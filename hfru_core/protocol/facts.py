"""Whether an answer states a fact: by the words that the question does not have, and by ROUGE-L."""

from __future__ import annotations

from itertools import groupby

from hfru_core.language.european import ENGLISH
from hfru_core.language.text import words
from hfru_core.protocol.judge import stated


def states(question: str, right: str, text: str) -> bool:
    """Whether a text says what the right answer adds to its question: "a baker" of "She is a
    baker.", not denied; equality where it adds nothing ("Yes.")."""
    added = told(question, right)
    if not added:
        return keys(text) == keys(right)
    return all(stated(text, (phrase,)) for phrase in added)


def told(question: str, right: str) -> list[str]:
    """The stretches of an answer that the question does not have, without small words."""
    known = {*keys(question), *ENGLISH.function}
    runs = groupby(words(right), key=lambda w: w.key not in known)
    found = [list(run) for new, run in runs if new]
    return [right[run[0].start : run[-1].end] for run in found]


def rouge_l(right: str, text: str) -> float:
    """ROUGE-L (Lin 2004), F1: by the longest common subsequence of the words, from 0 to 1."""
    a, b = keys(right), keys(text)
    row = [0] * (len(b) + 1)
    for word in a:
        before = row
        row = [0]
        for j, other in enumerate(b):
            row.append(before[j] + 1 if word == other else max(before[j + 1], row[j]))
    return 2 * row[-1] / (len(a) + len(b)) if a and b else 0.0


def keys(text: str) -> list[str]:
    return [w.key for w in words(text)]
