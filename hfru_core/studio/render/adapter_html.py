"""What there is to know of an adapter, as HTML; everything is escaped."""

from __future__ import annotations

from html import escape
from pathlib import Path

from hfru_core.adapters.record import NOTHING_MEASURED, WEIGHTS, AdapterRecord, Part
from hfru_core.studio.render import answers_html
from hfru_core.studio.sessions.reports import load
from hfru_core.types import UserError

COLOURS = {"leak": "forgotten", "damaged": "invented", "clear": "abstract"}
NOTE = "Measured on the session's validation pictures."
UNMEASURED = """<p class="note"><b>Not measured</b>: it was combined from other adapters. Compare
or audit it.</p>"""


def facts(record: AdapterRecord, origin: str | None, reports: list[Path]) -> str:
    """The record of a checked adapter, where it was pulled from, and the verdicts of its audits."""
    head = f"<header><b>{escape(record.names)}</b><span>forgotten</span></header>"
    rows = "".join(f"<dt>{name}</dt><dd>{html}</dd>" for name, html in entries(record).items())
    rows += f"<dt>Pulled from</dt><dd>{escape(origin)}</dd>" if origin else ""
    rows += f"<dt>Audit</dt><dd>{verdicts(record, reports)}</dd>"
    return f'<section class="card facts">{head}<dl>{rows}</dl></section>'


def entries(record: AdapterRecord) -> dict[str, str]:
    """The facts by their labels."""
    base = record.base
    at = f" at revision {base.revision}" if base.revision else ""
    listed = {"Base model": f"{escape(base.name + at)} {code(base.fingerprint)}"}
    if record.parts:
        listed["Made of"] = "<br>".join(map(part_html, record.parts))
    else:
        listed["Made by"] = escape(made_by(record))
    if record.data:
        listed["Pictures"] = f"{escape(record.data.source)} {code(record.data.fingerprint)}"
    return listed | {"Weights": code(record.hashes[WEIGHTS][:16])}


def made_by(record: AdapterRecord) -> str:
    """The method, its seed, and the step whose weights were kept."""
    step, made = record.session.best_step, record.config
    kept = f", step {step} kept" if step > 0 else ""
    how = f"HFRU, preset {made['preset']}" if record.method == "hfru" else record.method
    return f"{how}, seed {made['seed']}{kept}"


def part_html(part: Part) -> str:
    """One of the adapters that a sum was made of."""
    return f"{escape(', '.join(part.concepts))} at {part.strength:.0%} {code(part.weights[:16])}"


def code(value: object) -> str:
    return f"<code>{escape(str(value))}</code>"


def measured(record: AdapterRecord) -> str:
    """Its rates with n and interval; None is "not measured"."""
    if not record.metrics:
        return UNMEASURED
    return answers_html.summary_table(record.base_metrics or NOTHING_MEASURED, record.metrics, NOTE)


def verdicts(record: AdapterRecord, reports: list[Path]) -> str:
    """The verdict of every audit of these very weights."""
    chips = []
    for path in reports:
        try:
            report = load(path)
        except UserError:
            continue
        if report.subject.adapter_hash == record.hashes[WEIGHTS]:
            state = report.verdict.state
            kind = COLOURS.get(state, "same")
            chips.append(f'<span class="chip {kind}">{state}, {report.subject.depth}</span>')
    return " ".join(chips) or "not audited"
