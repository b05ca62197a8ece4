"""`report.json`: a report as text, and the way back, with every field checked by its type.

The same seed gives the same bytes, except for the key `timing`.
"""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from audit.base import Example
from audit.criteria import title
from audit.report.old_titles import with_keys
from audit.report.report import SCHEMA, Report, Subject
from hfru_core.files import dumps, expect, read_json
from hfru_core.types import UserError


def to_json(report: Report) -> str:
    """The report as text, a finding or sample a line; only `timing` tells equal runs apart."""
    values = {"schema": SCHEMA, **asdict(report)}
    findings = [{k: v for k, v in f.items() if k != "seconds"} for f in values.pop("findings")]
    lists = {"findings": findings, "samples": values.pop("samples")}
    lines = [f'"{key}": {dumps(value)}' for key, value in values.items()]
    for key, rows in lists.items():
        listed = ",\n".join(map(dumps, rows))
        lines.append(f'"{key}": [\n{listed}\n]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read(path: Path) -> Report:
    """The report in a file, or in a folder's `report.json`; raises where it is not valid."""
    path = path / "report.json" if path.is_dir() else path
    values = read_json(path)
    try:
        return from_values(values)
    except ValueError as error:
        raise UserError(
            f"'{path}' is not an audit report of schema {SCHEMA}: {error}. It was changed by hand "
            "or made by another version; make it again with python -m audit."
        ) from None


def from_values(values: Any) -> Report:
    """The report that parsed JSON holds; raises `ValueError` naming the place that is wrong."""
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"schema: expected {SCHEMA}, got {schema!r}")
    rest = {k: v for k, v in values.items() if k != "schema"}
    if isinstance(values.get("findings"), list):
        rest["findings"] = [
            f | {"seconds": 0.0} if isinstance(f, dict) else f
            for f in map(with_keys, values["findings"])
        ]
    report = decode(Report, rest, "report")
    if len(report.timing.findings) != len(report.findings):
        raise ValueError("timing.findings: expected one number for each finding")
    unknown = set(report.verdict.reasons) - set(map(title, report.findings))
    if unknown:
        raise ValueError(f"verdict.reasons: no finding is called '{min(unknown)}'")
    return report


# Fields that reports from before them lack.
LATER: dict[type, set[str]] = {
    Report: {"asked", "samples"},
    Subject: {"words", "rules"},
    Example: {"judged"},
}


def decode(kind: Any, value: Any, where: str) -> Any:
    """Parsed JSON as a value of a type, checked all the way down."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if value is None else decode(without_none(args), value, where)
    if origin is Literal:
        return expect(value in args, value, f"one of {', '.join(args)}", where)
    if origin is tuple:
        return decode_tuple(args, value, where)
    if isinstance(kind, type) and is_dataclass(kind):
        return decode_fields(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        expect(value in list(kind), value, f"a {kind.__name__}", where)
        return kind(value)
    types = (int, float) if kind is float else kind
    fits = isinstance(value, types) and not (isinstance(value, bool) and kind is not bool)
    return expect(fits, value, f"a {kind.__name__}", where)


def without_none(args: tuple) -> Any:
    return next(a for a in args if a is not NoneType)


def decode_tuple(args: tuple, value: Any, where: str) -> tuple:
    expect(isinstance(value, list), value, "a list", where)
    kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
    expect(len(value) == len(kinds), value, f"{len(kinds)} entries", where)
    return tuple(decode(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value)))


def decode_fields(kind: type, value: Any, where: str) -> Any:
    expect(isinstance(value, dict), value, "an object", where)
    names = [f.name for f in fields(kind)]
    missing = set(names) - set(value) - LATER.get(kind, set())
    wrong = sorted(missing | set(value) - set(names))
    expect(not wrong, ", ".join(wrong), f"the fields {', '.join(names)} and no others", where)
    hints = get_type_hints(kind)
    return kind(**{n: decode(hints[n], v, f"{where}.{n}") for n, v in value.items()})
