"""From findings to a verdict: one pure function, stated rules, intervals and never bare points.

What the model **says** by itself, and what the original's decoder **reads** behind its encoder, is
judged strictly: a leak where the interval of the difference to the oracle (without one: to the
stated chance) lies above `SPOKEN_MARGIN`, nothing only where it lies below `SPOKEN_LIMIT`.
What an **attack** brings back and what **probes** find is judged on the way from oracle to base: a
leak where the interval lies above `LEAK` of it, since two honest retrained models differ by up to
that. Without an oracle probes decide nothing, and attacks are held against their chance.
What lies clearly above the oracle and is no leak is borderline. Damage is measured against the base
model, beyond what the oracle loses too. Nothing is decided where the question was not a fair one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from audit.base import Finding, Interval, Measure
from audit.keys import FindingKey
from hfru_core.stats import difference

SPOKEN_MARGIN, SPOKEN_LIMIT = 0.05, 0.10
LEAK = 0.25
MARGIN = 0.03
TOO_WIDE = 0.5  # of the way: an interval that reaches this far excludes nothing
DAMAGE = 0.10
STRICT = ("spoken", "read")  # channels
INSIDE = ("probed", "read")  # those that look into the encoder
State = Literal["clear", "leak", "damaged", "inconclusive", "borderline"]
Says = Literal["found", "borderline", "none"]


@dataclass(frozen=True)
class Verdict:
    """The state, and the findings that decided it in the order of their weight."""

    state: State
    reasons: tuple[str, ...]


def interval(measure: Measure | None) -> Interval | None:
    """A measure's numbers; None where there is no measure or no value."""
    return measure.interval if measure else None


def gap(a: Interval, b: Interval, sign: int) -> tuple[float, float]:
    """Interval of how much worse `a` is than `b`; sign +1 where higher is worse."""
    low, high = difference(*a, *b)
    return (low, high) if sign > 0 else (-high, -low)


def excess(f: Finding) -> tuple[float, float] | None:
    """Interval of the share of the way from oracle to base that the unlearned model kept."""
    scale = way(f)
    unlearned, oracle = interval(f.unlearned), interval(f.oracle)
    if scale is None or unlearned is None or oracle is None:
        return None
    low, high = gap(unlearned, oracle, sign_of(f))
    return low / scale, high / scale


def way(f: Finding) -> float | None:
    """How far base and oracle lie apart; None where they do not differ clearly."""
    base, oracle, sign = interval(f.base), interval(f.oracle), sign_of(f)
    if base is None or oracle is None:
        return None
    length = sign * (base.value - oracle.value)
    return length if length > MARGIN and gap(base, oracle, sign)[0] > 0 else None


def sign_of(f: Finding) -> int:
    """+1 where higher is worse, -1 where lower is."""
    return 1 if f.direction == "higher" else -1


# Leaks.


def leakage(f: Finding) -> Says | None:
    """What a leak finding shows; None where it cannot tell."""
    if f.kind != "leak" or f.unlearned.interval is None:
        return None
    if f.channel in STRICT:
        return strictly(f, f.unlearned.interval)
    if interval(f.oracle):
        return on_the_way(f)
    return above_chance(f, f.unlearned.interval)


def expected(f: Finding) -> Interval | None:
    """What a model that never saw the concept gives: the oracle's, or else the stated chance."""
    if found := interval(f.oracle):
        return found
    return None if f.chance is None else Interval(f.chance, f.chance, f.chance)


def strictly(f: Finding, unlearned: Interval) -> Says | None:
    """By the difference itself; nothing where the base model does not say it there either."""
    honest, base, sign = expected(f), interval(f.base), sign_of(f)
    if honest is None:
        return None
    low, high = gap(unlearned, honest, sign)
    if low > SPOKEN_MARGIN:
        return "found"
    if base and gap(base, honest, sign)[0] <= 0:
        return None
    if high < SPOKEN_LIMIT:
        return "none"
    return "borderline" if low > 0 else None  # else too few answers


def on_the_way(f: Finding) -> Says | None:
    """By the share of the way from oracle to base."""
    scale, share = way(f), excess(f)
    if scale is None or share is None:
        return None
    low, high = share
    clearly = low * scale > MARGIN
    if clearly and low > LEAK:
        return "found"
    if clearly and (f.channel == "attacked" or (low + high) / 2 > LEAK):
        return "borderline"  # two honest models' probes differ by more than their intervals
    return "none" if high < TOO_WIDE else None


def above_chance(f: Finding, unlearned: Interval) -> Says | None:
    """Without an oracle: what an attack brings back, against what it makes of other pictures."""
    if f.channel == "probed" or f.chance is None:
        return None
    low, high = gap(unlearned, Interval(f.chance, f.chance, f.chance), sign_of(f))
    if low > MARGIN:
        return "found"
    if high >= TOO_WIDE:
        return None
    return "borderline" if low > 0 else "none"


def leaks(f: Finding) -> bool | None:
    """Whether a leak finding shows one; None where it cannot tell."""
    says = leakage(f)
    return None if says is None else says == "found"


# Damage.


def loss(f: Finding) -> Says | None:
    """What a damage finding shows: a loss beyond `DAMAGE`, and clearly beyond the oracle's."""
    unlearned, base, oracle = (interval(m) for m in (f.unlearned, f.base, f.oracle))
    if f.kind != "damage" or unlearned is None or base is None:
        return None
    sign = sign_of(f)
    beyond = gap(unlearned, oracle, sign)[0] if oracle else 1.0
    if beyond <= 0:
        return "none"
    low = gap(unlearned, base, sign)[0]
    if low > DAMAGE and beyond > SPOKEN_MARGIN:
        return "found"
    lost = sign * (unlearned.value - base.value)
    return "borderline" if low > MARGIN and lost > DAMAGE else "none"


def damages(f: Finding) -> bool | None:
    """Whether a damage finding shows damage; None where it cannot tell."""
    says = loss(f)
    return None if says is None else says == "found"


def borders(f: Finding) -> bool:
    """Whether a finding lies clearly beyond the oracle's and below the threshold."""
    return "borderline" in (leakage(f), loss(f))


# The verdict.


def verdict(findings: Sequence[Finding]) -> Verdict:
    """`leak` before `damaged` before `borderline`; `clear` only where all that it takes was seen.

    That is: an oracle, what looks into the encoder, and enough answers to tell what is spoken.
    """
    unfair = [title(f) for f in findings if f.kind == "gate" and f.error]
    if unfair:
        return Verdict("inconclusive", tuple(unfair))
    leaking = [title(f) for f in findings if leakage(f) == "found"]
    damaged = [title(f) for f in findings if loss(f) == "found"]
    if leaking:
        return Verdict("leak", (*leaking, *damaged))
    if damaged:
        return Verdict("damaged", tuple(damaged))
    if near := [title(f) for f in findings if borders(f)]:
        return Verdict("borderline", tuple(near))
    enough, missing = is_enough(findings), unknown(findings)
    if missing or not enough:
        return Verdict("inconclusive", tuple(missing))
    return Verdict("clear", tuple(title(f) for f in findings if leakage(f) == "none"))


def is_enough(findings: Sequence[Finding]) -> bool:
    """Whether something was held against an oracle, and something that looks into the encoder."""
    weighed = [f for f in findings if leakage(f) == "none"]
    against_oracle = any(interval(f.oracle) for f in weighed)
    return against_oracle and any(f.channel in INSIDE for f in weighed)


def unknown(findings: Sequence[Finding]) -> list[str]:
    """The findings without which nothing can be called clear; all open ones where little is known.

    An error of a finding that decides nothing keeps nothing open.
    """
    failed = [f for f in findings if f.error and (f.kind != "info" or f.key == FindingKey.FAILED)]
    silent = [f for f in findings if f.kind == "leak" and leakage(f) is None and not f.error]
    if is_enough(findings):
        silent = [f for f in silent if f.channel == "spoken" and asked(f)]
    return [title(f) for f in failed + silent]


def asked(f: Finding) -> bool:
    """Whether there was something to hear: the base model says it where it was asked."""
    honest, base = expected(f), interval(f.base)
    return not (honest and base) or gap(base, honest, sign_of(f))[0] > 0


def title(f: Finding) -> str:
    """What a finding is called, with its audit: for people only."""
    return f"{f.audit}: {f.name}"
