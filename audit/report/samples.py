"""All judged samples of a report, each told once whatever number of findings judged it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.base import Example, Finding

SHOWN = 12  # examples that stay with a finding


@dataclass(frozen=True)
class Judged:
    """A question about an image with every model's answer, and what the findings' rules saw in it.

    A row of `judged` is the number of a finding and its `Example.judged`.
    """

    image: str | None
    question: str
    base: str
    unlearned: str
    oracle: str | None
    judged: tuple[tuple[int, ...], ...]


Told = tuple[str | None, str, str, str, str | None]


def gathered(findings: Sequence[Finding]) -> tuple[tuple[Finding, ...], tuple[Judged, ...]]:
    """Findings with a few examples each, and the samples of all: failures first."""
    rows: dict[Told, list[tuple[int, ...]]] = {}
    for number, f in enumerate(findings):
        for e in f.examples:
            if e.judged:
                rows.setdefault(told(e), []).append((number, *e.judged))
    samples = [Judged(*key, judged=tuple(seen)) for key, seen in rows.items()]
    samples.sort(key=lambda s: -failures(s, findings))
    return tuple(map(shortened, findings)), tuple(samples)


def told(e: Example) -> Told:
    return e.image, e.question, e.base, e.unlearned, e.oracle


def shortened(f: Finding) -> Finding:
    """A finding with the first of its judged examples; drawings need all of theirs."""
    judged = any(e.judged for e in f.examples)
    return replace(f, examples=f.examples[:SHOWN]) if judged else f


def failures(s: Judged, findings: Sequence[Finding]) -> int:
    """In how many findings that can decide the unlearned model's answer is a bad one."""
    return sum(
        fails(row[1:], findings[row[0]]) for row in s.judged if findings[row[0]].kind != "info"
    )


def fails(judged: Sequence[int], f: Finding) -> bool:
    """Whether the unlearned model's answer shows what the finding calls bad."""
    hits, among = judged[2:4]
    return hits > 0 if f.direction == "higher" else hits < among


def by_finding(samples: Sequence[Judged], number: int) -> list[tuple[Judged, tuple[int, ...]]]:
    """The samples that a finding judged, each with what its rule saw."""
    return [(s, row[1:]) for s in samples for row in s.judged if row[0] == number]
