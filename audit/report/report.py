"""The report: what was audited, the findings and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import isfinite
from typing import Literal

from audit.base import NOTHING, Finding, Measure, Series, measures
from audit.criteria import Verdict, borders, damages, leaks, title, verdict
from audit.report.rules import Words, digest
from audit.report.samples import Judged, gathered

SCHEMA = 1
ALWAYS = (
    "Images, questions and attacks other than those named here.",
    "An adapter is a switch: whoever has the base model without the adapter has the concept.",
)
HEADLINE = {
    "clear": "Nothing found",
    "leak": "Leak found",
    "damaged": "Damaged",
    "inconclusive": "Inconclusive",
    "borderline": "Borderline",
}
MEANING = {
    "clear": "No attack that was run found the concept: all that was weighed lies below its "
    "threshold.",
    "leak": "The unlearned model still knows or reveals the concept.",
    "damaged": "No leak was found, but the model lost more than the concept.",
    "inconclusive": "The audit cannot tell. That does not mean that nothing is left.",
    "borderline": "Something lies clearly beyond a model that never saw the concept, and below the "
    "threshold of a leak or of damage.",
}


@dataclass(frozen=True)
class Model:
    """A model by name, and the digest of its weights."""

    name: str
    revision: str | None
    fingerprint: str


@dataclass(frozen=True)
class Subject:
    """Everything that determines the findings: a run with the same values gives the same report.

    `adapter_hash` is the SHA-256 of the adapter's weights file. `words` decide what counts as
    naming a concept, `rules` are the thresholds of the verdict.
    """

    adapter: str
    adapter_hash: str
    base: Model
    oracle: Model | None
    concepts: tuple[str, ...]
    source: str
    data_fingerprint: str
    pictures: int
    seed: int
    depth: Literal["standard", "deep"]
    versions: tuple[tuple[str, str], ...]
    words: tuple[Words, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Asked:
    """Who ran the audit, and what for, in their own words; empty where nobody said."""

    operator: str = ""
    request: str = ""


@dataclass(frozen=True)
class Timing:
    """Start and duration: all that may differ between two runs of the same audit."""

    time: str
    seconds: float
    findings: tuple[float, ...]


@dataclass(frozen=True)
class Report:
    """The audit of one adapter."""

    subject: Subject
    verdict: Verdict
    not_covered: tuple[str, ...]
    findings: tuple[Finding, ...]
    timing: Timing
    asked: Asked = Asked()
    samples: tuple[Judged, ...] = ()


def versions() -> tuple[tuple[str, str], ...]:
    """This project, its rules and the packages that the numbers depend on."""
    from hfru_core.adapters import folder  # Here: reading a report needs no model library.

    more = {p: version(p) for p in ("scikit-learn", "scipy")}
    return tuple({**folder.versions(), "audit rules": digest(), **more}.items())


def make(
    subject: Subject,
    findings: Sequence[Finding],
    time: str,
    seconds: float,
    gaps: Sequence[str] = (),
    asked: Asked = Asked(),
) -> Report:
    """The report of a complete run; `gaps` is what this run left out."""
    found = tuple(map(clean, findings))
    bare, samples = gathered([replace(f, seconds=0.0) for f in found])
    timing = Timing(time, round(seconds, 2), tuple(round(f.seconds, 2) for f in found))
    limits = (*gaps, *undecided(bare), *ALWAYS)
    return Report(subject, verdict(bare), limits, bare, timing, asked, samples)


def undecided(findings: Sequence[Finding]) -> list[str]:
    """The findings that have no value or decide nothing."""
    failed = [f"{title(f)}: no value ({f.error})." for f in findings if f.error]
    silent = [
        f"{title(f)}: decides nothing, since base and oracle do not differ clearly or there is no "
        "oracle."
        for f in findings
        if f.kind == "leak" and leaks(f) is None and not f.error
    ]
    return list(dict.fromkeys(failed + silent))


def clean(f: Finding) -> Finding:
    """Plain finite numbers only; a finding with any other has no value, and says so."""
    given = {"unlearned": f.unlearned, "base": f.base, "oracle": f.oracle}
    finite = {model: sound(m) for model, m in given.items() if m is not None}
    broken = [model for model, m in finite.items() if m is NOTHING and given[model] != NOTHING]
    error = f.error or (f"{', '.join(broken)}: not a finite number" if broken else None)
    series = tuple(
        Series(s.name, tuple(map(float, s.x)), tuple(map(number, s.y)), s.kind) for s in f.series
    )
    return replace(f, **measures(finite), chance=number(f.chance), series=series, error=error)


def number(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def sound(m: Measure) -> Measure:
    """The measure in plain floats; `NOTHING` where it is not complete."""
    value, low, high = (number(v) for v in (m.value, m.low, m.high))
    return NOTHING if None in (value, low, high) else Measure(value, int(m.n), low, high)


# For people


def headline(state: str) -> str:
    """A verdict in two words."""
    return HEADLINE.get(state, state.capitalize())


def meaning(state: str) -> str:
    """A verdict in a sentence."""
    return MEANING.get(state, "")


def decision(f: Finding) -> str:
    """What a finding means, by the rules of the verdict."""
    if f.error or f.unlearned.value is None:
        return "no value"
    if f.kind in ("info", "gate"):
        return "for information"
    if borders(f):
        return "borderline"
    shown = leaks(f) if f.kind == "leak" else damages(f)
    return {True: f.kind, False: f"no {f.kind}", None: "cannot tell"}[shown]


def facts(report: Report) -> list[tuple[str, str]]:
    """The facts that it takes to check or repeat the audit."""
    s, t = report.subject, report.timing
    oracle = f"{s.oracle.name}, weights {s.oracle.fingerprint}" if s.oracle else "none"
    revision = f", revision {s.base.revision}" if s.base.revision else ""
    return [
        ("request", report.asked.request or "not told"),
        ("run by", report.asked.operator or "not told"),
        ("when", f"{t.time}, for {t.seconds:.0f} s"),
        ("unlearned model", f"{s.adapter}, weights SHA-256 {s.adapter_hash}"),
        ("original (base)", f"{s.base.name}, weights {s.base.fingerprint}{revision}"),
        ("oracle", oracle),
        (
            "pictures",
            f"{s.source}, {s.pictures} of the concept, fingerprint {s.data_fingerprint}",
        ),
        ("depth and seed", f"{s.depth}, seed {s.seed}"),
        ("versions", ", ".join(f"{name} {v}" for name, v in s.versions)),
    ]


def number_text(m: Measure | None) -> str:
    """'0.94 (0.90 to 0.97), n 64', or '-' where nothing was measured."""
    if m is None or m.value is None:
        return "-"
    return f"{short(m.value)} ({short(m.low)} to {short(m.high)}), n {m.n}"


def short(value: float | None) -> str:
    """Two digits after the point, more where the number is small; '-' for none."""
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def called(f: Finding) -> str:
    """A finding's name with its parameters."""
    params = ", ".join(f"{k} {v}" for k, v in f.params)
    return f"{title(f)} ({params})" if params else title(f)
