"""`bench.json`: the runs of a benchmark as text, and the way back, with every field checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfru_core.bench.columns import BY_KEY, COSTS
from hfru_core.files import dumps, expect, read_json
from hfru_core.types import Rate, UserError

SCHEMA = 1
KINDS = ("method", "reference")
VERDICTS = ("leak", "damaged", "clear", "inconclusive", "borderline", None)
COST_KEYS = tuple(c.key for c in COSTS)
FIELDS = {
    "method": str, "label": str, "variant": str, "kind": str, "scope": str, "task": str,
    "seed": int, "budget": str, "steps": int, "verdict": str, "seconds": float,
    "audit_seconds": float, "peak_mb": float, "error": str, "command": str, "request": str,
    "source": str,
}  # fmt: skip
NEEDED = ("method", "label", "kind", "task", "seed", "command")
MOST = 1e15  # nothing measured here is larger
KIND_NAMES = {str: "text", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Row:
    """One run of one method, or of a reference; `raw` is what stood in the file.

    `beside` holds what the same audit found of the base and of the oracle. `mine` says that the
    person who looks at it has made it.
    """

    method: str
    label: str
    kind: str
    task: str
    seed: int
    command: str
    variant: str
    scope: str
    budget: str
    request: str
    source: str
    steps: int | None
    values: Mapping[str, Rate]
    beside: Mapping[str, Mapping[str, Rate]]
    verdict: str | None
    reasons: tuple[str, ...]
    audit_errors: tuple[str, ...]
    seconds: float | None
    audit_seconds: float | None
    peak_mb: float | None
    error: str | None
    raw: Mapping[str, object] = field(repr=False, compare=False)
    mine: bool = False

    def value(self, key: str, beside: str = "") -> Rate | None:
        """What was measured under a column's key, of this model or of one beside it."""
        if key in COST_KEYS:
            # A reference is only loaded: that is not what it cost.
            cost = getattr(self, key) if self.kind == "method" else None
            return None if cost is None else Rate(cost, 1, None, None)
        found = (self.beside.get(beside, {}) if beside else self.values).get(key)
        return found if found and found.rate is not None else None


@dataclass(frozen=True)
class Bench:
    """A whole file."""

    note: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


def load(path: Path) -> Bench:
    """The benchmark in a file; raises where it is not valid."""
    values = read_json(path)
    try:
        return from_values(values)
    except ValueError as error:
        raise UserError(
            f"'{path.name}' is not a benchmark of schema {SCHEMA}: {error}. It was changed by hand "
            "or made by another version; make it again with python -m hfru_core bench."
        ) from None


def from_values(values: Any) -> Bench:
    """The benchmark that parsed JSON holds; raises `ValueError` naming the place that is wrong."""
    schema = values.get("schema") if isinstance(values, dict) else None
    expect(schema == SCHEMA and schema is not True, schema, str(SCHEMA), "schema")
    note, settings = values.get("note") or "", values.get("settings") or {}
    expect(isinstance(note, str), note, "text", "note")
    expect(isinstance(settings, dict), settings, "an object", "settings")
    rows = expect(isinstance(values.get("rows"), list), values.get("rows"), "a list", "rows")
    return Bench(note, settings, tuple(row_from(r, f"rows[{i}]") for i, r in enumerate(rows)))


def row_from(raw: Any, where: str = "row", mine: bool = False) -> Row:
    """One row, its fields checked; fields that are not known here are only kept in `raw`."""
    expect(isinstance(raw, dict), raw, "an object", where)
    given = {k: plain(kind, raw.get(k), f"{where}.{k}") for k, kind in FIELDS.items()}
    for key in NEEDED:
        expect(given[key] is not None, None, "a value", f"{where}.{key}")
    expect(given["kind"] in KINDS, given["kind"], " or ".join(KINDS), f"{where}.kind")
    expect(given["verdict"] in VERDICTS, given["verdict"], "a verdict", f"{where}.verdict")
    given |= {k: given[k] or "" for k in ("variant", "scope", "budget", "request", "source")}
    given |= {k: texts(raw.get(k), f"{where}.{k}") for k in ("reasons", "audit_errors")}
    beside = raw.get("beside") or {}
    expect(isinstance(beside, dict), beside, "an object", f"{where}.beside")
    beside = {k: rates(v, f"{where}.beside.{k}") for k, v in beside.items()}
    measured = rates(raw.get("values"), f"{where}.values")
    return Row(**given, values=measured, beside=beside, raw=raw, mine=mine)


def texts(value: Any, where: str) -> tuple[str, ...]:
    fine = isinstance(value or [], list) and all(isinstance(t, str) for t in value or [])
    return tuple(expect(fine, value, "a list of texts", where) or ())


def rates(values: Any, where: str) -> dict[str, Rate]:
    """The rates of a row, by key; those that are null are left out."""
    values = expect(values is None or isinstance(values, dict), values, "an object", where) or {}
    return {k: rate(v, f"{where}.{k}") for k, v in values.items() if k in BY_KEY and v is not None}


def rate(value: Any, where: str) -> Rate:
    expect(isinstance(value, dict), value, "an object", where)
    # Naming beyond false naming may lie below 0, and an interval made of few runs too.
    low, high = (plain(float, value.get(k), f"{where}.{k}", -MOST) for k in ("low", "high"))
    found = plain(float, value.get("rate"), f"{where}.rate", -1)
    expect(low is None or high is None or low <= high, (low, high), "low below high", where)
    n = plain(int, value.get("n"), f"{where}.n") or 0
    return Rate(found, n, low, high)


def plain(kind: type, value: Any, where: str, least: float = 0) -> Any:
    """A text, or a number; None stays None."""
    if value is None:
        return None
    fits, wanted = isinstance(value, (int, float) if kind is float else kind), KIND_NAMES[kind]
    if kind is not str:
        fits = fits and not isinstance(value, bool) and least <= value < MOST
        wanted = f"{wanted} from {least:g} on"
    return expect(fits, value, wanted, where)


def json_text(bench: Bench) -> str:
    """The file again, one row a line."""
    head = {"schema": SCHEMA, "note": bench.note, "settings": bench.settings}
    lines = [f"{dumps(k)}: {dumps(v)}" for k, v in head.items()]
    rows = ",\n".join(dumps(r.raw) for r in bench.rows)
    return "{\n" + ",\n".join([*lines, f'"rows": [\n{rows}\n]']) + "\n}\n"
