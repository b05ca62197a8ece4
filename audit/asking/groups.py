"""Groups of pictures (a concept, a place, a style, clothes): what a mean over all of them hides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import NormalDist

from audit.asking.answers import Answers, where
from audit.asking.outcomes import Rule, outcomes
from audit.base import NOTHING, Measure
from hfru_core.data import drawn
from hfru_core.stats import wilson
from hfru_core.types import Sample

LEAST = 12  # answers of a group
UNTOLD = ("main", "identity", "size")  # labels that say what is shown, or say it of each thing
Groups = dict[str, Answers]


def groups(answers: Answers) -> Groups:
    """The answers about every group of pictures that is large enough, by its name."""
    members: dict[str, set[str]] = defaultdict(set)
    for key in {s.image for s in answers.asked if s.image}:
        for label in labels(key):
            members[label].add(key)
    for s in answers.asked:
        if s.image:
            members[s.concept_id].add(s.image)
    parts = {name: where(answers, within(keys)) for name, keys in sorted(members.items())}
    return {n: p for n, p in parts.items() if LEAST <= len(p.asked) < len(answers.asked)}


def within(keys: set[str]) -> Callable[[Sample], bool]:
    return lambda sample: sample.image in keys


def labels(key: str) -> list[str]:
    """'place beach', 'hat red': what a drawn picture shows beside its things."""
    if not drawn.is_drawn(key):
        return []
    told = drawn.labels(drawn.picture_of(key), frozenset())
    return [f"{k} {v}" for k, v in told.items() if k not in UNTOLD and v]


def careful(answers: Answers, rule: Rule, model: str, among: int) -> Measure:
    """A rate with an interval that holds for all of so many groups at once (Bonferroni)."""
    hits = hits_of(answers.asked, answers.said[model], answers, rule)
    if not hits:
        return NOTHING
    z = NormalDist().inv_cdf(1 - 0.025 / among)
    return Measure(sum(hits) / len(hits), len(hits), *wilson(sum(hits), len(hits), z))


def hits_of(
    asked: Sequence[Sample], texts: Sequence[str], answers: Answers, rule: Rule
) -> list[bool]:
    rows = zip(asked, texts)
    return [hit for s, text in rows for hit in outcomes(rule, answers.data, s, text)]
