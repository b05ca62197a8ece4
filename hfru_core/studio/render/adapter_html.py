"""What there is to know of an adapter, as HTML; everything is escaped."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from html import escape
from pathlib import Path

from audit.report.json_file import read
from audit.report.report import Report
from hfru_core.studio.render import answers_html
from hfru_core.types import NOT_MEASURED, Evaluation, Rate, UserError

COLOURS = {"leak": "forgotten", "damaged": "invented", "clear": "abstract"}
NOTE = "Measured on the pictures that its session compared steps on, before and after."
UNMEASURED = """<p class="note">How it answers was <b>not measured</b>: it was made of finished
adapters, and their rates do not carry over. Compare it, or audit it.</p>"""


def facts(info: dict, origin: str | None, reports: list[Path]) -> str:
    """The record of a checked adapter, where it was pulled from, and the verdicts of its audits."""
    names = ", ".join(c["name"] for c in info["concepts"])
    head = f"<header><b>{escape(names)}</b><span>forgotten</span></header>"
    rows = "".join(f"<dt>{name}</dt><dd>{html}</dd>" for name, html in entries(info).items())
    rows += f"<dt>Pulled from</dt><dd>{escape(origin)}</dd>" if origin else ""
    rows += f"<dt>Audit</dt><dd>{verdicts(info, reports)}</dd>"
    return f'<section class="card facts">{head}<dl>{rows}</dl></section>'


def entries(info: dict) -> dict[str, str]:
    base, made, data = info["base"], info.get("config"), info.get("data")
    at = f" at revision {base['revision']}" if base["revision"] else ""
    shown = {"Base model": f"{escape(base['name'] + at)} {code(base['fingerprint'])}"}
    if info.get("parts"):
        shown["Made of"] = "<br>".join(map(part, info["parts"]))
    else:
        steps = (info.get("session") or {}).get("best_step")
        kept = f", step {steps} kept" if steps else ""
        how = made.get("method", "hfru")
        how = f"HFRU, preset {made['preset']}" if how == "hfru" else how
        shown["Made by"] = escape(f"{how}, seed {made['seed']}{kept}")
        shown["Pictures"] = f"{escape(str(data['source']))} {code(data['fingerprint'])}"
    return shown | {"Weights": code(info["hashes"]["adapter_model.safetensors"][:16])}


def part(values: dict) -> str:
    """One of the adapters that a sum was made of."""
    names = escape(", ".join(values["concepts"]))
    return f"{names} at {values['strength']:.0%} {code(values['weights'][:16])}"


def code(value: object) -> str:
    return f"<code>{escape(str(value))}</code>"


def measured(info: dict) -> str:
    """Its rates with n and interval; None is "not measured"."""
    if not info.get("metrics"):
        return UNMEASURED
    before, after = (evaluation(info.get(k) or {}) for k in ("base_metrics", "metrics"))
    return answers_html.summary_table(before, after, NOTE)


def evaluation(rates: dict) -> Evaluation:
    given = {k: Rate(**v) for k, v in rates.items()}
    return Evaluation(**{f.name: given.get(f.name, NOT_MEASURED) for f in fields(Evaluation)})


def verdicts(info: dict, reports: list[Path]) -> str:
    """The verdict of every audit of these very weights."""
    chips = []
    for path in reports:
        try:
            report = opened(path, path.stat().st_mtime_ns)
        except UserError:
            continue
        if report.subject.adapter_hash == info["hashes"]["adapter_model.safetensors"]:
            state = report.verdict.state
            kind = COLOURS.get(state, "same")
            chips.append(f'<span class="chip {kind}">{state}, {report.subject.depth}</span>')
    return " ".join(chips) or "not audited"


@lru_cache(maxsize=32)
def opened(path: Path, changed: int) -> Report:
    """A report, read once as long as its file stays the same."""
    return read(path)
