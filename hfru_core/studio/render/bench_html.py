"""The benchmark's table and the texts around it, as HTML; everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from hfru_core.bench.columns import BETTER, COLUMNS, LEAKAGE, MISSING, Column
from hfru_core.bench.results_file import Bench
from hfru_core.bench.table import Group, between, falls

BUDGETS = {"own": "method default", "equal": "equal time", "set": "custom steps"}
REQUESTS = {
    "plain": "standard", "polite": "with common words in the questions",
    "single": "one picture each", "anonymised": "without names and faces",
}  # fmt: skip
CHIPS = {"leak": "forgotten", "damaged": "invented", "clear": "abstract"}
EMPTY = """<div class="empty"><b>No benchmark has been made yet</b>
<code>python -m hfru_core bench --out assets/reports</code> makes it: what every method forgets on
every task, what it keeps, what can still be read from it, and what comes back. It takes hours; you
can run a few methods below, now.</div>"""
NO_ROWS = '<div class="empty"><b>Nothing is left</b>No run passes these filters.</div>'
PICK = "Click a row of the table for its details and the command that reproduces it."
# A click on a header sorts, a click on a row chooses it; the mark is set at once.
CLICKS = """
element.addEventListener('click', (event) => {
  const at = event.target.closest('[data-sort], [data-row]');
  if (!at) return;
  if (at.dataset.sort) { trigger('sort', {key: at.dataset.sort}); return; }
  element.querySelectorAll('[aria-selected]').forEach((r) => r.removeAttribute('aria-selected'));
  at.setAttribute('aria-selected', 'true');
  trigger('pick', {row: at.dataset.row});
});
"""


# The table


def board(groups: Sequence[Group], sort: str, best_first: bool, chosen: str = "") -> str:
    """The table; columns in which nothing was measured are left out."""
    if not groups:
        return NO_ROWS
    columns = measured(groups)
    head = header("label", "Method", "by name", sort, best_first) + "<th>Audit</th>"
    for c in columns:
        meaning = f"{c.meaning}; {BETTER[c.direction]}"
        head += header(c.key, c.title, meaning, sort, best_first)
    body = "".join(line(g, columns, g.id == chosen) for g in groups)
    return f'<table class="standings"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def measured(groups: Sequence[Group]) -> list[Column]:
    return [c for c in COLUMNS if any(g.cell(c.key).mean is not None for g in groups)]


def header(key: str, title: str, meaning: str, sort: str, best_first: bool) -> str:
    state = ("descending" if falls(key, best_first) else "ascending") if key == sort else "none"
    mark = {"descending": " ▾", "ascending": " ▴", "none": ""}[state]
    return (
        f'<th aria-sort="{state}"><button data-sort="{key}" title="{escape(meaning)}">'
        f"{escape(title)}{mark}</button></th>"
    )


def line(g: Group, columns: Sequence[Column], chosen: bool) -> str:
    """One row; where every run failed, the reason instead of values."""
    selected = ' aria-selected="true"' if chosen else ""
    kind = "mine" if g.first.mine else g.first.kind
    details = " · ".join(filter(None, (g.first.scope, g.task, *setting(g), runs(g))))
    name = escape(g.first.label) + (" (yours)" if g.first.mine else "")
    head = f"<th><button>{name}</button><small>{escape(details)}</small></th>"
    if all(r.error for r in g.rows):
        cells = f'<td class="failed" colspan="{len(columns) + 1}">{escape(g.failed)}</td>'
    else:
        cells = f'<td class="verdicts">{chips(g)}</td>' + "".join(cell(g, c) for c in columns)
    return f'<tr class="{kind}" data-row="{escape(g.id)}"{selected}>{head}{cells}</tr>'


def chips(g: Group) -> str:
    """What the audits say, in colour."""
    spans = (f'<span class="chip {CHIPS.get(v, "same")}">{t}</span>' for v, t in g.verdicts.items())
    return " ".join(spans) or MISSING


def setting(g: Group) -> list[str]:
    """Where a row differs from the usual: another budget, forget set or source of pictures."""
    budget = f"{g.first.steps} steps" if g.first.budget == "set" else f"{g.first.budget} budget"
    settings = budget, f"{g.first.request} request", g.first.source
    usual = "own budget", " budget", "plain request", " request", "world", ""
    return [t for t in settings if t not in usual]


def runs(g: Group) -> str:
    """'3 runs', 'seed 0', and how many of them failed."""
    failed = sum(bool(r.error) for r in g.rows)
    count = f"{len(g.rows)} runs" if len(g.rows) > 1 else f"seed {g.first.seed}"
    return count + (f", {failed} failed" if 0 < failed < len(g.rows) else "")


def cell(g: Group, column: Column) -> str:
    """A value over its spread; its tooltip says how many answers it is based on."""
    value = g.cell(column.key)
    if value.mean is None:
        return f'<td class="missing" title="not measured">{MISSING}</td>'
    of = f"{value.runs} of {len(g.rows)} runs, " if len(g.rows) > 1 else ""
    n = f"n {value.n}" if column.unit == "share" else "one number a run"
    spread = between(value, column)
    small = f"<small>{spread}</small>" if spread else ""
    return f'<td title="{of}{n}">{column.text(value.mean)}{small}</td>'


def legend() -> str:
    """What every column means."""
    rows = "".join(
        f"<dt>{escape(c.title)}</dt><dd>{escape(c.meaning)}; {BETTER[c.direction]}</dd>"
        for c in COLUMNS
    )
    return f'<section class="card facts"><dl>{rows}</dl></section>'


def about(bench: Bench) -> str:
    """The note of the file and its settings."""
    settings = ", ".join(f"{k} {v}" for k, v in bench.settings.items())
    return f'<p class="note">{escape(" · ".join(filter(None, (bench.note, settings))))}</p>'


# One row


def details(g: Group) -> str:
    """The details of a row."""
    first = g.first
    entries = {
        "Variant": first.variant,
        "Scope": first.scope,
        "Tasks": each(r.task for r in g.rows),
        "Seeds": each(r.seed for r in g.rows),
        "Training budget": BUDGETS.get(first.budget, first.budget),
        "Forget set": REQUESTS.get(first.request, first.request),
        "Pictures": first.source,
        "Steps": each(r.steps for r in g.rows if r.steps is not None),
        "Audit": ", ".join(g.verdicts.values()),
        "Audit took": each(
            f"{r.audit_seconds:.0f} s" for r in g.rows if r.audit_seconds is not None
        ),
        "Audits failed": each(t for r in g.rows for t in r.audit_errors),
        "Failed": g.failed,
    }
    rows = "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in entries.items() if v)
    rows += because(list(dict.fromkeys(reason for r in g.rows for reason in r.reasons)))
    head = f"<header><b>{escape(first.label)}</b><span>{escape(runs(g))}</span></header>"
    return f'<section class="card facts">{head}<dl>{rows}</dl>{beside(g)}</section>'


def because(reasons: Sequence[str]) -> str:
    """The findings that decided the verdict, folded up: there may be many."""
    if not reasons:
        return ""
    text = "<br>".join(map(escape, reasons))
    head = f"<summary>{len(reasons)} finding{'s' * (len(reasons) > 1)}</summary>"
    return f"<dt>Evidence</dt><dd><details>{head}{text}</details></dd>"


def beside(g: Group) -> str:
    """The leakage of this model beside the base model's and the oracle's in the same audits."""
    names = [n for n in ("base", "oracle") if any(n in r.beside for r in g.rows)]
    if not names or g.first.kind == "reference":
        return ""
    head = "".join(f"<th>{n}</th>" for n in ("", "here", *names))
    body = ""
    for c in LEAKAGE:
        cells = "".join(f"<td>{c.text(g.cell(c.key, n).mean)}</td>" for n in ("", *names))
        body += f"<tr><th>{escape(c.title)}</th>{cells}</tr>"
    head = f"<thead><tr>{head}</tr></thead>"
    return f'<table class="rates beside">{head}<tbody>{body}</tbody></table>'


def each(values: Iterable[object]) -> str:
    """Every value once; tasks have commas of their own."""
    return "; ".join(dict.fromkeys(map(str, values)))


def commands(g: Group) -> str:
    """The commands that reproduce the runs of a row."""
    return "\n".join(dict.fromkeys(r.command for r in g.rows))
