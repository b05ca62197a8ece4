"""A benchmark's rows filtered, grouped with means, sorted, and written as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean
from typing import Literal

from hfru_core.bench.columns import BEHAVIOUR, BY_KEY, COLUMNS, LEAKAGE, MISSING, Column
from hfru_core.bench.results_file import FIELDS, Row

Over = Literal["runs", "seeds", "tasks"]
RATE_KEYS = tuple(c.key for c in BEHAVIOUR + LEAKAGE)


@dataclass(frozen=True)
class Cell:
    """The mean over `runs` runs with their lowest and highest; of one run, its 95 % interval."""

    mean: float | None
    low: float | None
    high: float | None
    n: int
    runs: int


@dataclass(frozen=True)
class Group:
    """Rows shown as one; `id` is the same as long as they are grouped alike."""

    id: str
    rows: tuple[Row, ...]

    @property
    def first(self) -> Row:
        """The first that did not fail: one that did may not know what it was going to be."""
        return next((r for r in self.rows if not r.error), self.rows[0])

    @property
    def task(self) -> str:
        """The task, or how many there are."""
        tasks = dict.fromkeys(r.task for r in self.rows)
        return self.first.task if len(tasks) == 1 else f"{len(tasks)} tasks"

    @property
    def verdicts(self) -> dict[str, str]:
        """The text of each verdict: 'leak', or '2 leak' where the runs differ."""
        counts = Counter(r.verdict for r in self.rows if r.verdict)
        return {v: v if len(counts) == 1 else f"{n} {v}" for v, n in counts.most_common()}

    @property
    def failed(self) -> str:
        """What went wrong, and in how many of the runs."""
        errors = [r.error for r in self.rows if r.error]
        if not errors or len(self.rows) == 1:
            return "".join(errors)
        return f"{len(errors)} of {len(self.rows)} runs failed: {errors[0]}"

    def cell(self, key: str, beside: str = "") -> Cell:
        """A column's mean over the rows that have it; of the base or the oracle beside them.

        Tasks count alike, however many seeds each has.
        """
        rates = [(r.task, v) for r in self.rows if not r.error and (v := r.value(key, beside))]
        if not rates:
            return Cell(None, None, None, 0, 0)
        if len(rates) == 1:
            ((_, only),) = rates
            return Cell(only.rate, only.low, only.high, only.n, 1)
        by_task: dict[str, list[float]] = {}
        for task, rate in rates:
            if rate.rate is not None:
                by_task.setdefault(task, []).append(rate.rate)
        low, high = (f(chain.from_iterable(by_task.values())) for f in (min, max))
        mean = min(high, max(low, fmean(map(fmean, by_task.values()))))  # Rounding may push it out.
        return Cell(mean, low, high, sum(v.n for _, v in rates), len(rates))


@dataclass(frozen=True)
class Filter:
    """Which rows to show; an empty part lets everything through."""

    methods: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    budgets: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def keeps(self, row: Row) -> bool:
        """References pass whatever the method, scope or budget: methods are compared with them."""
        own = (self.methods, row.method), (self.scopes, row.scope), (self.budgets, row.budget)
        return all(
            not wanted or has in wanted
            for wanted, has in (
                (self.tasks, row.task),
                (self.requests, row.request or "plain"),
                (self.sources, row.source or "world"),
                *(own if row.kind == "method" else ()),
            )
        )


# Grouping and sorting


def group(rows: Iterable[Row], over: Over = "seeds") -> list[Group]:
    """Group rows: each alone, the seeds of a task, or all tasks and seeds of a method."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(key_of(row, over), []).append(row)
    return [Group("/".join(map(str, key)), tuple(rows)) for key, rows in groups.items()]


def key_of(row: Row, over: Over) -> tuple:
    """What the rows of a group have in common; a visitor's own, and numbers of steps, are apart."""
    own: tuple[object, ...] = ("mine",) if row.mine else ()
    own += (row.steps,) if row.mine or row.budget == "set" else ()
    key = (row.method, row.scope, row.budget, row.request, row.source, *own)
    if over == "tasks":
        return key
    return (*key, row.task) if over == "seeds" else (*key, row.task, row.seed)


def sort(groups: Sequence[Group], key: str, best_first: bool = True) -> list[Group]:
    """By a column (or by `label`), the missing last either way; equal ones keep their order."""
    if key == "label":
        return sorted(groups, key=lambda g: g.first.label.lower(), reverse=falls(key, best_first))
    measured = [(mean, g) for g in groups if (mean := g.cell(key).mean) is not None]
    measured.sort(key=lambda pair: pair[0], reverse=falls(key, best_first))
    return [g for _, g in measured] + [g for g in groups if g.cell(key).mean is None]


def falls(key: str, best_first: bool) -> bool:
    """Whether the largest value comes first, or the last name."""
    rising = key == "label" or BY_KEY[key].direction == "lower"
    return rising != best_first


def choices(rows: Iterable[Row], of: Callable[[Row], str]) -> list[str]:
    """The values that the methods' rows have, each once, in their order."""
    return list(dict.fromkeys(of(r) for r in rows if r.kind == "method" and of(r)))


# Writing


def between(cell: Cell, column: Column) -> str:
    """'96.2 to 99.1', the unit left out; '' where there is none."""
    if cell.mean is None or cell.low is None or cell.high is None:
        return ""
    low, high = (column.text(v).split()[0] for v in (cell.low, cell.high))
    return f"{low} to {high}"


def markdown(groups: Sequence[Group], columns: Sequence[Column] = COLUMNS) -> str:
    """A table; columns in which nothing was measured are left out."""
    columns = [c for c in columns if any(g.cell(c.key).mean is not None for g in groups)]
    head = [
        "method",
        "scope",
        "task",
        "budget",
        "request",
        "runs",
        "verdict",
        *(c.title for c in columns),
    ]
    lines = [head, ["---"] * len(head), *(markdown_row(g, columns) for g in groups)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def markdown_row(g: Group, columns: Sequence[Column]) -> list[str]:
    ended = "; ".join(filter(None, (", ".join(g.verdicts.values()), g.failed)))
    cells = [
        g.first.label,
        g.first.scope,
        g.task,
        g.first.budget,
        g.first.request,
        str(len(g.rows)),
        ended,
    ]
    cells = [" ".join(c.replace("|", "\\|").split()) or MISSING for c in cells]
    for column in columns:
        cell = g.cell(column.key)
        spread = between(cell, column)
        cells.append(column.text(cell.mean) + (f" ({spread})" if spread else ""))
    return cells


def variants(groups: Sequence[Group]) -> str:
    """A line for each method: which of its variants this is, and what its paper does not say."""
    by_label = {g.first.label: g.first.variant for g in groups if g.first.variant}
    return "".join(f"- {label}: {variant}\n" for label, variant in sorted(by_label.items()))


def csv_text(rows: Iterable[Row]) -> str:
    """One line a run; what was not measured is an empty field."""
    parts = ("", "_n", "_low", "_high")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*FIELDS, *(k + p for k in RATE_KEYS for p in parts), "reasons"])
    for row in rows:
        cells: list[object] = [getattr(row, k) for k in FIELDS]
        for key in RATE_KEYS:
            v = row.value(key)
            cells += (v.rate, v.n, v.low, v.high) if v else ("",) * len(parts)
        writer.writerow(map(harmless, [*cells, "; ".join(row.reasons)]))
    return out.getvalue()


def harmless(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    text = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{cell}" if text else cell
