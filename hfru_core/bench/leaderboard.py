"""The leaderboard: rows of the bench that anybody may add, with who made them and with what code.

A row is checked as far as its numbers alone can tell: shares are counts of n, intervals are
Wilson's of them, nothing that matters is left out. That they were measured is shown by the row's
command and code, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hfru_core.bench.results_file import Bench, Row, load
from hfru_core.stats import wilson
from hfru_core.types import Rate, UserError

COUNTED = ("forget", "hallucination", "abstraction", "degenerate", "refusal")
NEEDED = (*COUNTED, "retain", "attributes")
LEAST = 100  # answers of a rate: an interval of at most 20 points
CLOSE, TINY = 5e-3, 1e-6  # published numbers may be rounded


def checked(path: Path) -> Bench:
    """The rows of a leaderboard; raises with everything that is wrong with them."""
    found = load(path)
    wrong = [f"rows[{i}] ({r.method}): {p}" for i, r in enumerate(found.rows) for p in problems(r)]
    wrong += repeated(found.rows)
    if wrong:
        raise UserError(f"'{path.name}' cannot be taken as it is:\n" + "\n".join(wrong))
    return found


def problems(row: Row) -> Iterator[str]:
    """What is wrong with one row."""
    if row.kind != "method" or row.error:
        yield "a row is of a method that did not fail"
    if not isinstance(by := row.raw.get("by"), str) or not by.strip():
        yield "'by' names who made the row"
    if not str(row.raw.get("code", "")).startswith("https://"):
        yield "'code' is the https address of the method's code, at the version that was run"
    if not row.variant.strip():
        yield "'variant' says which version of the method it is, and what its paper does not"
    for key in NEEDED:
        rate = row.value(key)
        if rate is None:
            yield f"{key} is missing"
        else:
            yield from (f"{key}: {p}" for p in numbers(rate, key in COUNTED))


def numbers(rate: Rate, counted: bool) -> Iterator[str]:
    """What is wrong with a rate; of counts with its interval too."""
    if rate.rate is None or rate.low is None or rate.high is None:
        yield "rate, low and high are numbers"
        return
    if rate.n < LEAST:
        yield f"n is {LEAST} at least, got {rate.n}"
    elif counted:
        hits = round(rate.rate * rate.n)
        low, high = wilson(hits, rate.n)
        if abs(rate.rate - hits / rate.n) > CLOSE / 10 or not 0 <= hits <= rate.n:
            yield f"{rate.rate} is no share of {rate.n} answers"
        elif abs(low - rate.low) > CLOSE or abs(high - rate.high) > CLOSE:
            yield f"the 95 % Wilson interval of {hits} of {rate.n} is {low:.4f} to {high:.4f}"
    if not rate.low - TINY <= rate.rate <= rate.high + TINY:
        yield "the rate lies outside its interval"


def repeated(rows: tuple[Row, ...]) -> list[str]:
    """The rows that say they are of the same run as one before."""
    seen: set[tuple[object, ...]] = set()
    wrong = []
    for i, r in enumerate(rows):
        run = (r.method, r.variant, r.scope, r.task, r.seed, r.budget, r.request, r.source, r.steps)
        wrong += [f"rows[{i}] ({r.method}): the same run stands there already"] * (run in seen)
        seen.add(run)
    return wrong
