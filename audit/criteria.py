"""From findings to a verdict: one pure function, stated rules, intervals and never bare points.

With an oracle, a leak is what the unlearned model has beyond it: the interval of the difference
unlearned - oracle must lie above `LEAK` of the way from oracle to base (and above `MARGIN`), and
base and oracle themselves must differ that clearly, or the finding decides nothing. The quarter
allows for what two honest retrained models differ by; `audit/zoo` tests that it does.
Without an oracle only what the model says or is made to say can show a leak, against the stated
chance level; representation findings then decide nothing and the verdict is at best inconclusive.
Damage is measured against the base model, beyond what the oracle loses too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from audit.base import Finding, Measure
from hfru_core.stats import difference

LEAK = 0.25
MARGIN = 0.03
DAMAGE = 0.10
# Findings that can show a leak without an oracle: what comes out in words.
SPOKEN = ("behavior", "prompts", "quantize", "images", "relearn")
State = Literal["clear", "leak", "damaged", "inconclusive"]


@dataclass(frozen=True)
class Verdict:
    """The state, and the findings that decided it in the order of their weight."""

    state: State
    reasons: tuple[str, ...]


def known(*measures: Measure | None) -> bool:
    return all(m is not None and m.value is not None for m in measures)


def gap(a: Measure, b: Measure, sign: int) -> tuple[float, float]:
    """Interval of how much worse `a` is than `b`; sign +1 where higher is worse."""
    low, high = difference(a.value, a.low, a.high, b.value, b.low, b.high)
    return (low, high) if sign > 0 else (-high, -low)


def excess(f: Finding) -> tuple[float, float] | None:
    """Interval of the share of the way from oracle to base that the unlearned model kept."""
    if not known(f.unlearned, f.base, f.oracle):
        return None
    sign = 1 if f.direction == "higher" else -1
    way = sign * (f.base.value - f.oracle.value)
    if way <= MARGIN or gap(f.base, f.oracle, sign)[0] <= 0:
        return None
    low, high = gap(f.unlearned, f.oracle, sign)
    return low / way, high / way


def leaks(f: Finding) -> bool | None:
    """Whether a leak finding shows one; None where it cannot tell."""
    if f.kind != "leak" or not known(f.unlearned):
        return None
    if known(f.oracle):
        share = excess(f)
        if share is None:
            return None
        way = abs(f.base.value - f.oracle.value)
        return share[0] > LEAK and share[0] * way > MARGIN
    if f.audit not in SPOKEN or f.chance is None:
        return None
    bound = f.unlearned.low if f.direction == "higher" else -f.unlearned.high
    level = f.chance if f.direction == "higher" else -f.chance
    return bound > level + MARGIN


def damages(f: Finding) -> bool | None:
    """Whether a damage finding shows a loss beyond `DAMAGE` that the oracle does not have."""
    if f.kind != "damage" or not known(f.unlearned, f.base):
        return None
    sign = 1 if f.direction == "higher" else -1
    own = gap(f.unlearned, f.base, sign)[0] > DAMAGE
    if not known(f.oracle):
        return own
    return own and gap(f.unlearned, f.oracle, sign)[0] > 0


def verdict(findings: Sequence[Finding]) -> Verdict:
    """`leak` before `damaged`; `clear` only if something could have shown a leak and did not."""
    told = [(f, leaks(f), damages(f)) for f in findings]
    leaking = [title(f) for f, leak, _ in told if leak]
    damaged = [title(f) for f, _, damage in told if damage]
    if leaking:
        return Verdict("leak", (*leaking, *damaged))
    if damaged:
        return Verdict("damaged", tuple(damaged))
    failed = [title(f) for f in findings if f.error]
    open_ones = [title(f) for f, leak, _ in told if f.kind == "leak" and leak is None]
    weighed = [f for f, leak, _ in told if leak is False]
    if failed or not weighed or not any(known(f.oracle) for f in weighed):
        return Verdict("inconclusive", (*failed, *open_ones))
    return Verdict("clear", tuple(map(title, weighed)))


def title(f: Finding) -> str:
    return f"{f.audit}: {f.name}"
