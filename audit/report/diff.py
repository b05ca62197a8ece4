"""The difference of two reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from audit.base import NOTHING, Finding, Measure
from audit.criteria import title
from audit.report.report import Report, decision
from hfru_core.stats import difference


def diff(a: Report, b: Report) -> dict[str, Any]:
    """What changed from `a` to `b`: the circumstances, the verdict, and every finding.

    `low` and `high` are the 95 % interval of the change of the unlearned model's value.
    """
    here, there = asdict(a.subject), asdict(b.subject)
    left, right = keyed(a.findings), keyed(b.findings)
    return {
        "verdict": [a.verdict.state, b.verdict.state],
        "subject": {k: [here[k], there[k]] for k in here if here[k] != there[k]},
        "findings": [change(left.get(k), right.get(k)) for k in {**left, **right}],
    }


def keyed(findings: Sequence[Finding]) -> dict[tuple, Finding]:
    """Findings by what they measure; those that measure the same are numbered."""
    seen: dict[tuple, int] = defaultdict(int)
    out = {}
    for f in findings:
        key = (f.audit, f.key, f.params)
        out[(*key, seen[key])] = f
        seen[key] += 1
    return out


def change(a: Finding | None, b: Finding | None) -> dict[str, Any]:
    """One finding before and after; `change` is None where it is not known."""
    shown = b or a
    assert shown is not None, "a finding of neither report"
    was, now = (f.unlearned if f else NOTHING for f in (a, b))
    low, high = interval_of_change(was, now) or (None, None)
    return {
        "finding": title(shown),
        "key": shown.key,
        "params": dict(shown.params),
        "in": [a is not None, b is not None],
        "value": [was.value, now.value],
        "change": None if was.value is None or now.value is None else now.value - was.value,
        "low": low,
        "high": high,
        "clear": low is not None and high is not None and (low > 0 or high < 0),
        "decision": [f and decision(f) for f in (a, b)],
    }


def interval_of_change(was: Measure, now: Measure) -> tuple[float, float] | None:
    """The 95 % interval of now - was; None where one has no value."""
    if was.interval is None or now.interval is None:
        return None
    return difference(*now.interval, *was.interval)
