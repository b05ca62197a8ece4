"""Answers as findings: how often a rule holds in each model's answers, with the telling ones."""

from __future__ import annotations

from collections.abc import Iterator

from audit.asking.answers import Answers
from audit.asking.outcomes import Rule, outcomes
from audit.base import Direction, Example, Finding, Kind, Measure, Series, measures, of
from audit.keys import FindingKey
from hfru_core.evaluate import share

SHOWN = 6  # examples of a finding


def rate(answers: Answers, rule: Rule, model: str) -> Measure:
    """The share of true outcomes among all that a rule sees in a model's answers."""
    rows = zip(answers.asked, answers.said[model])
    return of(share(hit for s, t in rows for hit in outcomes(rule, answers.data, s, t)))


def found(
    key: FindingKey,
    name: str,
    kind: Kind,
    direction: Direction,
    answers: Answers,
    rule: Rule,
    *,
    chance: float | None = None,
    series: tuple[Series, ...] = (),
    examples: tuple[Example, ...] | None = None,
    note: str = "",
) -> Iterator[Finding]:
    """A share of every model as a finding; none where there was nothing to ask."""
    if not answers.asked:
        return
    if examples is None:
        examples = telling(answers, rule, direction == "higher")
    yield Finding(
        "behavior",
        key,
        name,
        kind,
        direction,
        **measures({model: rate(answers, rule, model) for model in answers.said}),
        chance=chance,
        series=series,
        examples=examples,
        note=note,
    )


def telling(answers: Answers, rule: Rule, bad: bool) -> tuple[Example, ...]:
    """A few answers, first those in which the unlearned model shows what is measured."""
    rows = zip(answers.asked, answers.said["unlearned"])
    shows = [bad in outcomes(rule, answers.data, s, t) for s, t in rows]
    first = sorted(range(len(shows)), key=lambda i: not shows[i])[:SHOWN]
    return tuple(example(answers, i) for i in first)


def example(answers: Answers, i: int) -> Example:
    s = answers.asked[i]
    return Example.of(s.image, s.question, {n: texts[i] for n, texts in answers.said.items()})
