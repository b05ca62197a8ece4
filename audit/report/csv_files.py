"""The findings and the judged samples as CSV, for spreadsheets and other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple

from audit.base import NOTHING
from audit.report.answers import by_weight
from audit.report.report import Report, decision
from audit.report.samples import fails

MODELS = ("base", "unlearned", "oracle")
NUMBERS = ("value", "n", "low", "high")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet would run


def findings_csv(report: Report) -> str:
    """One row a finding, weightiest first."""
    head = ["finding", "audit", "key", "name", "parameters", "kind", "says", "decided"]
    head += [f"{m} {n}" for m in MODELS for n in NUMBERS]
    head += ["chance", "unscored", "note", "error"]
    return table(head, (finding(report, i) for i in by_weight(report)))


def finding(report: Report, number: int) -> list[object]:
    f = report.findings[number]
    decided = f"{f.audit}: {f.name}" in report.verdict.reasons
    params = "; ".join(f"{k} {v}" for k, v in f.params)
    measured = [n for m in (f.base, f.unlearned, f.oracle) for n in astuple(m or NOTHING)]
    told = [number, f.audit, str(f.key), f.name, params, f.kind, decision(f), decided]
    return [*told, *measured, f.chance, f.unscored, f.note, f.error]


def samples_csv(report: Report) -> str:
    """One row for each sample and finding that judged it: what its rule saw, among how many."""
    head = ["sample", "image", "question", *MODELS, "finding", "key", "fails"]
    head += [f"{m} {n}" for m in MODELS for n in ("hits", "of")]
    return table(head, samples(report))


def samples(report: Report) -> Iterable[list[object]]:
    for number, s in enumerate(report.samples):
        for at, *seen in s.judged:
            f = report.findings[at]
            told = [number, s.image, s.question, s.base, s.unlearned, s.oracle]
            yield [*told, at, str(f.key), fails(seen, f), *seen]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([harmless(value) for value in row] for row in rows)
    return out.getvalue()


def harmless(value: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
