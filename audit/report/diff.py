"""The difference of two reports: by paired tests where both keep the same samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from audit.base import NOTHING, Finding, Measure
from audit.criteria import title
from audit.report.paired import Paired, check_same, corrected, paired, seen
from audit.report.report import Report, decision, short
from hfru_core.stats import difference


def diff(a: Report, b: Report, unpaired: bool = False) -> dict[str, Any]:
    """What changed from `a` to `b`: the circumstances, the verdict, and every finding.

    `low` and `high` are the 95 % interval of the change of the unlearned model's value. Raises
    where the reports' samples differ, unless intervals alone are to be compared.
    """
    here, there = asdict(a.subject), asdict(b.subject)
    left, right = keyed(a.findings), keyed(b.findings)
    keys = list({**left, **right})
    tests = {} if unpaired or not check_same(a, b) else tested(a, b, keys)
    return {
        "verdict": [a.verdict.state, b.verdict.state],
        "subject": {k: [here[k], there[k]] for k in here if here[k] != there[k]},
        "paired": len(tests),
        "findings": [change(left.get(k), right.get(k), tests.get(i)) for i, k in enumerate(keys)],
    }


def tested(a: Report, b: Report, keys: Sequence[tuple]) -> dict[int, Paired]:
    """The paired tests of the findings that judged the same answers, by their place in `keys`."""
    left, right = ({k: i for i, k in enumerate(keyed(r.findings))} for r in (a, b))
    both = {i: k for i, k in enumerate(keys) if k in left and k in right}
    found = {i: paired(seen(a, left[k]), seen(b, right[k])) for i, k in both.items()}
    return corrected({i: result for i, result in found.items() if result})


def keyed(findings: Sequence[Finding]) -> dict[tuple, Finding]:
    """Findings by what they measure; those that measure the same are numbered."""
    counts: dict[tuple, int] = defaultdict(int)
    out = {}
    for f in findings:
        key = (f.audit, f.key, f.params)
        out[(*key, counts[key])] = f
        counts[key] += 1
    return out


def change(a: Finding | None, b: Finding | None, test: Paired | None) -> dict[str, Any]:
    """One finding before and after; `change` is None where it is not known."""
    shown = b or a
    assert shown is not None, "a finding of neither report"
    was, now = (f.unlearned if f else NOTHING for f in (a, b))
    low, high = (test.low, test.high) if test else interval_of_change(was, now) or (None, None)
    sure = low is not None and high is not None and (low > 0 or high < 0)
    return {
        "finding": title(shown),
        "key": shown.key,
        "params": dict(shown.params),
        "in": [a is not None, b is not None],
        "value": [was.value, now.value],
        "change": None if was.value is None or now.value is None else now.value - was.value,
        "low": low,
        "high": high,
        "clear": test.clear if test else sure,
        "paired": test and asdict(test),
        "decision": [f and decision(f) for f in (a, b)],
    }


def interval_of_change(was: Measure, now: Measure) -> tuple[float, float] | None:
    """The 95 % interval of now - was; None where one has no value."""
    if was.interval is None or now.interval is None:
        return None
    return difference(*now.interval, *was.interval)


# In words

LONGEST = 300  # letters of a circumstance


def lines(result: dict[str, Any]) -> list[str]:
    """The difference as text: the verdicts, what was compared how, then every finding."""
    rows = result["findings"]
    changed = [f"{name}: {differs(*pair)}" for name, pair in result["subject"].items()]
    head = "verdict: {} -> {}".format(*result["verdict"])
    return [head, *changed, how(result), *map(line, rows)]


def differs(was: Any, now: Any) -> str:
    both = f"{was} -> {now}"
    return both if len(both) < LONGEST else "not the same"


def how(result: dict[str, Any]) -> str:
    """Which test was made of how many findings, and how many of them differ."""
    rows = [r for r in result["findings"] if r["paired"]]
    if not rows:
        return "Compared by their intervals: the answers themselves were not paired. *: differs."
    differ = sum(r["clear"] for r in rows)
    return (
        f"The same samples: {len(rows)} findings were compared answer by answer, {differ} differ "
        "(*). McNemar's exact test, q corrected for their number; intervals by a bootstrap over "
        "pictures."
    )


def line(row: dict[str, Any]) -> str:
    """One finding: value, change with interval, its meaning before and now."""
    params = ", ".join(f"{k} {v}" for k, v in row["params"].items())
    name = f"{row['finding']} ({params})" if params else row["finding"]
    if not all(row["in"]):
        return f"  {name}: only in {'A' if row['in'][0] else 'B'}"
    was, now = map(short, row["value"])
    says = " -> ".join(dict.fromkeys(row["decision"]))
    if row["change"] is None:
        return f"  {name}: {was} -> {now} [{says}]"
    mark = "*" if row["clear"] else " "
    span = f"{short(row['low'])} to {short(row['high'])}"
    told = f"{mark} {name}: {was} -> {now}, change {short(row['change'])} ({span}) [{says}]"
    return told + test(row["paired"])


def test(result: dict[str, Any] | None) -> str:
    """The answers in which the models differ, and how likely that is by chance."""
    if result is None:
        return ""
    if result["p"] is None:
        return f"; {result['n']} answers about {result['pictures']} pictures"
    return (
        f"; of {result['n']} answers {result['only_a']} only in A, {result['only_b']} only in B, "
        f"p {result['p']:.2g}, q {result['q']:.2g}"
    )
