"""The report: what was audited, what was found and what follows; and its words in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib.metadata import version
from math import isfinite
from typing import Literal

from audit.base import NOTHING, Finding, Measure, Series
from audit.criteria import Verdict, damages, leaks, title, verdict

SCHEMA = 1
ALWAYS = (
    "Pictures, questions and attacks other than those named here.",
    "An adapter is a switch: whoever has the base model and not the adapter has the concept.",
)
MEANING = {
    "clear": "Nothing measured differs clearly from a model that never saw the concept.",
    "leak": "The unlearned model holds or says more of the concept than it should.",
    "damaged": "No leak was found, but the model lost more than the concept.",
    "inconclusive": "The audit cannot tell: this is no sign that nothing is left.",
}


@dataclass(frozen=True)
class Model:
    """A model by name, and the digest of its weights."""

    name: str
    revision: str | None
    fingerprint: str


@dataclass(frozen=True)
class Subject:
    """Everything that decides the findings: who repeats it gets the same report.

    `adapter_hash` is the SHA-256 of the adapter's weights file.
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


@dataclass(frozen=True)
class Timing:
    """When and how long: all that may differ between two runs of the same audit."""

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


def versions() -> tuple[tuple[str, str], ...]:
    """What the numbers were made with."""
    from hfru_core.adapters import folder  # Here: reading a report needs no model library.

    more = {p: version(p) for p in ("scikit-learn", "scipy")}
    return tuple({**folder.versions(), **more}.items())


def make(
    subject: Subject,
    findings: Sequence[Finding],
    time: str,
    seconds: float,
    gaps: Sequence[str] = (),
) -> Report:
    """The report of a run that came to its end; `gaps` is what this run left out."""
    found = tuple(map(clean, findings))
    bare = tuple(replace(f, seconds=0.0) for f in found)
    timing = Timing(time, round(seconds, 2), tuple(round(f.seconds, 2) for f in found))
    return Report(subject, verdict(bare), (*gaps, *undecided(bare), *ALWAYS), bare, timing)


def undecided(findings: Sequence[Finding]) -> list[str]:
    """What was tried and told nothing."""
    failed = [f"{title(f)}: no value ({f.error})." for f in findings if f.error]
    silent = [
        f"{title(f)}: decides nothing, since base and oracle do not differ clearly or there is no "
        "oracle."
        for f in findings
        if f.kind == "leak" and leaks(f) is None and not f.error
    ]
    return list(dict.fromkeys(failed + silent))


def clean(f: Finding) -> Finding:
    """Plain finite numbers only; a finding with another one has no value, and says so."""
    measures = {k: sound(getattr(f, k)) for k in ("unlearned", "base", "oracle")}
    broken = [k for k, m in measures.items() if m is NOTHING and getattr(f, k) != NOTHING]
    error = f.error or (f"{', '.join(broken)}: not a finite number" if broken else None)
    series = tuple(
        Series(s.name, tuple(map(float, s.x)), tuple(map(number, s.y))) for s in f.series
    )
    return replace(f, **measures, chance=number(f.chance), series=series, error=error)


def number(value: float | None) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def sound(m: Measure | None) -> Measure | None:
    """The measure in plain floats; `NOTHING` where it is not complete."""
    if m is None:
        return None
    parts = [number(v) for v in (m.value, m.low, m.high)]
    return NOTHING if None in parts else Measure(parts[0], int(m.n), *parts[1:])


# For people


def decision(f: Finding) -> str:
    """What a finding says, in words: the same rules that the verdict uses."""
    if f.error or f.unlearned.value is None:
        return "no value"
    told = {"leak": leaks, "damage": damages, "info": lambda _: None}[f.kind](f)
    words = {"leak": ("leak", "no leak"), "damage": ("damage", "no damage")}
    if f.kind == "info":
        return "for information"
    return "cannot tell" if told is None else words[f.kind][not told]


def facts(report: Report) -> list[tuple[str, str]]:
    """What a reader needs to check or repeat the audit."""
    s, t = report.subject, report.timing
    oracle = f"{s.oracle.name} ({s.oracle.fingerprint})" if s.oracle else "none"
    revision = f", revision {s.base.revision}" if s.base.revision else ""
    return [
        ("adapter", f"{s.adapter} (weights SHA-256 {s.adapter_hash})"),
        ("concepts", ", ".join(s.concepts)),
        ("base model", f"{s.base.name} ({s.base.fingerprint}{revision})"),
        ("oracle (never saw the concept)", oracle),
        ("pictures", f"{s.source}, {s.pictures} to be judged on, {s.data_fingerprint}"),
        ("depth and seed", f"{s.depth}, seed {s.seed}"),
        ("versions", ", ".join(f"{name} {v}" for name, v in s.versions)),
        ("when", f"{t.time}, {t.seconds:.0f} s"),
    ]


def markdown(report: Report) -> str:
    """The report as Markdown: verdict, table of findings, limits, circumstances."""
    v = report.verdict
    head = ("finding", "says", "unlearned", "base", "oracle", "chance")
    rows = [
        (called(f), decision(f), *map(told, (f.unlearned, f.base, f.oracle)), short(f.chance))
        for f in report.findings
    ]
    table = "\n".join(f"| {' | '.join(map(cell, r))} |" for r in (head, ("---",) * 6, *rows))
    parts = {
        "What decided": bullets(v.reasons) or "Nothing.",
        "Findings": table,
        "Not covered": bullets(report.not_covered),
        "Made with": bullets(f"{k}: {value}" for k, value in facts(report)),
    }
    body = "\n\n".join(f"## {name}\n\n{text}" for name, text in parts.items())
    heading = f"# Audit of {cell(report.subject.adapter)}: {v.state}\n\n{MEANING[v.state]}"
    note = "Value (95 % interval), n. Oracle: a model that was trained without the concept."
    return f"{heading} {note}\n\n{body}\n"


def told(m: Measure | None) -> str:
    """'0.94 (0.90 to 0.97), n 64', or '-' where nothing was measured."""
    if m is None or m.value is None:
        return "-"
    return f"{short(m.value)} ({short(m.low)} to {short(m.high)}), n {m.n}"


def short(value: float | None) -> str:
    """Two digits after the point, more where the number is small; '-' for none."""
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"


def cell(text: str) -> str:
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {cell(line)}" for line in lines)


def called(f: Finding) -> str:
    """A finding's name with its parameters."""
    params = ", ".join(f"{k} {v}" for k, v in f.params)
    return f"{title(f)} ({params})" if params else title(f)
