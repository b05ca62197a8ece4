"""What changed from one report to another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict

from audit.base import NOTHING, Finding
from audit.criteria import title
from audit.report.report import Report, decision
from hfru_core.stats import difference


def diff(a: Report, b: Report) -> dict[str, object]:
    """What changed from `a` to `b`: the circumstances, the verdict, and every finding.

    `low` and `high` are the 95 % interval of the change of the unlearned model's value.
    """
    here, there = asdict(a.subject), asdict(b.subject)
    left, right = keyed(a.findings), keyed(b.findings)
    return {
        "verdict": [a.verdict.state, b.verdict.state],
        "subject": {k: [here[k], there[k]] for k in here if here[k] != there[k]},
        "findings": [change(k, left.get(k), right.get(k)) for k in {**left, **right}],
    }


def keyed(findings: Sequence[Finding]) -> dict[tuple, Finding]:
    """Findings by what they measure; those of the same name are numbered."""
    seen: dict[tuple, int] = defaultdict(int)
    out = {}
    for f in findings:
        key = (title(f), f.params)
        out[(*key, seen[key])] = f
        seen[key] += 1
    return out


def change(key: tuple, a: Finding | None, b: Finding | None) -> dict[str, object]:
    """One finding before and after; `change` is None where it cannot be told."""
    was, now = (f.unlearned if f else NOTHING for f in (a, b))
    both = was.value is not None and now.value is not None
    low, high = (
        difference(now.value, now.low, now.high, was.value, was.low, was.high)
        if both
        else (None, None)
    )
    return {
        "finding": key[0],
        "params": dict(key[1]),
        "in": [a is not None, b is not None],
        "value": [was.value, now.value],
        "change": now.value - was.value if both else None,
        "low": low,
        "high": high,
        "clear": both and (low > 0 or high < 0),
        "decision": [f and decision(f) for f in (a, b)],
    }
