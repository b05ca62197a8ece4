"""Answers as findings: how often a rule holds in each model's answers, with the telling ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from audit.asking.answers import Answers
from audit.asking.outcomes import Rule, outcomes
from audit.base import Direction, Example, Finding, Kind, Measure, Series, measures, of
from audit.keys import FindingKey
from hfru_core.evaluate import share

MODELS = ("base", "unlearned", "oracle")


Seen = dict[str, list[list[bool]]]  # by model, the outcomes of each answer


def rate(answers: Answers, rule: Rule, model: str) -> Measure:
    """The share of true outcomes among all that a rule sees in a model's answers."""
    return share_of(seen_in(answers, rule, model))


def seen_in(answers: Answers, rule: Rule, model: str) -> list[list[bool]]:
    """What a rule sees in each of a model's answers."""
    rows = zip(answers.asked, answers.said[model])
    return [outcomes(rule, answers.data, s, t) for s, t in rows]


def share_of(seen: list[list[bool]]) -> Measure:
    return of(share(hit for hits in seen for hit in hits))


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
    seen = {model: seen_in(answers, rule, model) for model in answers.said}
    if examples is None:
        examples = judged(answers, seen, direction == "higher")
    yield Finding(
        "behavior",
        key,
        name,
        kind,
        direction,
        **measures({model: share_of(rows) for model, rows in seen.items()}),
        chance=chance,
        series=series,
        examples=examples,
        note=note,
    )


def telling(answers: Answers, rule: Rule, bad: bool) -> tuple[Example, ...]:
    """All answers that a rule judges, first those in which the unlearned model fails."""
    return judged(answers, {m: seen_in(answers, rule, m) for m in answers.said}, bad)


def judged(answers: Answers, seen: Seen, bad: bool) -> tuple[Example, ...]:
    """All answers with what a rule saw in them; `bad` is the outcome that is a failure."""
    models = [seen[name] for name in MODELS if name in seen]
    some = [i for i in range(len(answers.asked)) if any(rows[i] for rows in models)]
    some.sort(key=lambda i: bad not in seen["unlearned"][i])
    counts = {i: tuple(n for rows in models for n in (sum(rows[i]), len(rows[i]))) for i in some}
    return tuple(replace(example(answers, i), judged=counts[i]) for i in some)


def example(answers: Answers, i: int) -> Example:
    s = answers.asked[i]
    return Example.of(s.image, s.question, {n: texts[i] for n, texts in answers.said.items()})
