"""The report: what was audited, what was found and what follows, as JSON, Markdown and HTML.

`report.json` is the record: the same seed gives the same bytes, but for the key `timing`. The
other two are made from it. The page is one file that loads nothing from anywhere.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from html import escape
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from audit.base import NOTHING, Finding, Measure, Series
from audit.criteria import Verdict, damages, leaks, title, verdict
from audit.stats import difference
from hfru_core.types import UserError

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
    from hfru_core import adapter  # Here: reading a report needs no model library.

    more = {p: version(p) for p in ("scikit-learn", "scipy")}
    return tuple({**adapter.versions(), **more}.items())


def make(
    subject: Subject, findings: Sequence[Finding], time: str, seconds: float,
    gaps: Sequence[str] = (),
) -> Report:  # fmt: skip
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
        for f in findings if f.kind == "leak" and leaks(f) is None and not f.error
    ]  # fmt: skip
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


# JSON


def to_json(report: Report) -> str:
    """The report as text, one finding a line; what changes between equal runs is `timing`."""
    values = {"schema": SCHEMA, **asdict(report)}
    findings = [{k: v for k, v in f.items() if k != "seconds"} for f in values.pop("findings")]
    lines = [f'"{key}": {dumps(value)}' for key, value in values.items()]
    rows = ",\n".join(map(dumps, findings))
    return "{\n" + ",\n".join([*lines, f'"findings": [\n{rows}\n]']) + "\n}\n"


def dumps(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def read(path: Path) -> Report:
    """The report in a file, or in a folder's `report.json`; raises where it is not valid."""
    path = path / "report.json" if path.is_dir() else path
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text, parse_constant=refuse_constant)
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise UserError(f"'{path}' is no JSON file: {error}. Was it cut short?") from None
    try:
        return from_values(values)
    except ValueError as error:
        raise UserError(
            f"'{path}' is no audit report of schema {SCHEMA}: {error}. It was changed by hand or "
            "made by another version; make it again with python -m audit."
        ) from None


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def from_values(values: object) -> Report:
    """The report that parsed JSON holds; raises `ValueError` naming the place that is wrong."""
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"schema: expected {SCHEMA}, got {schema!r}")
    listed = values.get("findings")
    rest = {k: v for k, v in values.items() if k != "schema"}
    if isinstance(listed, list):
        rest["findings"] = [f | {"seconds": 0.0} if isinstance(f, dict) else f for f in listed]
    report = decode(Report, rest, "report")
    if len(report.timing.findings) != len(report.findings):
        raise ValueError("timing.findings: expected one number for each finding")
    strangers = set(report.verdict.reasons) - set(map(title, report.findings))
    if strangers:
        raise ValueError(f"verdict.reasons: no finding is called '{min(strangers)}'")
    return report


def decode(kind: Any, value: object, where: str) -> Any:
    """Parsed JSON as a value of a type, checked all the way down."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if value is None else decode(without_none(args), value, where)
    if origin is Literal:
        return expect(value in args, value, f"one of {', '.join(args)}", where)
    if origin is tuple:
        return decode_tuple(args, value, where)
    if is_dataclass(kind):
        return decode_fields(kind, value, where)
    types = (int, float) if kind is float else kind
    fits = isinstance(value, types) and not (isinstance(value, bool) and kind is not bool)
    return expect(fits, value, f"a {kind.__name__}", where)


def without_none(args: tuple) -> Any:
    return next(a for a in args if a is not NoneType)


def decode_tuple(args: tuple, value: object, where: str) -> tuple:
    expect(isinstance(value, list), value, "a list", where)
    kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
    expect(len(value) == len(kinds), value, f"{len(kinds)} entries", where)
    return tuple(decode(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value)))


def decode_fields(kind: type, value: object, where: str) -> Any:
    expect(isinstance(value, dict), value, "an object", where)
    names = [f.name for f in fields(kind)]
    wrong = sorted(set(names) ^ set(value))
    expect(not wrong, ", ".join(wrong), f"the fields {', '.join(names)} and no others", where)
    hints = get_type_hints(kind)
    return kind(**{n: decode(hints[n], value[n], f"{where}.{n}") for n in names})


def expect(fine: bool, value: object, wanted: str, where: str) -> object:
    if not fine:
        raise ValueError(f"{where}: expected {wanted}, got {value!r:.80}")
    return value


# Difference of two reports


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
        if both else (None, None)
    )  # fmt: skip
    return {
        "finding": key[0], "params": dict(key[1]), "in": [a is not None, b is not None],
        "value": [was.value, now.value], "change": now.value - was.value if both else None,
        "low": low, "high": high, "clear": both and (low > 0 or high < 0),
        "decision": [f and decision(f) for f in (a, b)],
    }  # fmt: skip


def decision(f: Finding) -> str:
    """What a finding says, in words: the same rules that the verdict uses."""
    if f.error or f.unlearned.value is None:
        return "no value"
    told = {"leak": leaks, "damage": damages, "info": lambda _: None}[f.kind](f)
    words = {"leak": ("leak", "no leak"), "damage": ("damage", "no damage")}
    if f.kind == "info":
        return "for information"
    return "cannot tell" if told is None else words[f.kind][not told]


# For people


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
        (called(f), decision(f), *map(told, (f.unlearned, f.base, f.oracle)),
         short(f.chance))
        for f in report.findings
    ]  # fmt: skip
    table = "\n".join(f"| {' | '.join(map(cell, r))} |" for r in (head, ("---",) * 6, *rows))
    parts = {
        "What decided": bullets(v.reasons) or "Nothing.", "Findings": table,
        "Not covered": bullets(report.not_covered),
        "Made with": bullets(f"{k}: {value}" for k, value in facts(report)),
    }  # fmt: skip
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
