"""The report's page: one HTML file with drawings in SVG; it loads nothing.

Everything that others wrote is escaped. The only script is the project's own, for search and
filter; the page's policy names it by its hash and runs no other.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from html import escape
from importlib.resources import files

from audit.report.answers import by_weight
from audit.report.cards import card
from audit.report.cover import cover
from audit.report.filters import filters, search, section, select
from audit.report.report import Report, decision, headline
from audit.report.sample_table import samples

STYLE = files("audit.report").joinpath("report.css").read_text(encoding="utf-8")
SCRIPT = files("audit.report").joinpath("report.js").read_text(encoding="utf-8")
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    f"script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'"
)
CHANNELS = {
    "spoken": "still said",
    "probed": "still inside",
    "read": "still read by the original's decoder",
    "attacked": "comes back",
}


def page(report: Report, digest: str) -> str:
    """The report as one page; `digest` is the SHA-256 of its JSON file."""
    state = report.verdict.state
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {escape(report.subject.adapter)}: {headline(state)}</title>
<style>{STYLE}{paper(digest)}</style></head><body class="audit"><main>
{cover(report, digest)}{findings(report)}{samples(report)}{limits(report)}
{rules(report)}</main><script>{SCRIPT}</script></body></html>
"""


def paper(digest: str) -> str:
    """Page numbers, and on every sheet the report that it belongs to."""
    text = "font: 8pt system-ui, sans-serif; color: #48525f;"
    return (
        f'@page {{ size: A4; margin: 13mm 15mm 16mm; @bottom-left {{ content: "report.json '
        f'{digest}"; {text} }} @bottom-right {{ content: "Page " counter(page) " of " '
        f"counter(pages); {text} }} }}"
    )


def findings(report: Report) -> str:
    """Every finding by its weight, with search and filter."""
    judged = Counter(row[0] for s in report.samples for row in s.judged)
    order = by_weight(report)
    cards = "".join(card(report.findings[i], i, judged=judged[i]) for i in order)
    said = dict.fromkeys(decision(report.findings[i]) for i in order)
    audits = dict.fromkeys(f.audit for f in report.findings)
    bar = (
        search("finding")
        + select("says", "what it says", ((s, s) for s in said))
        + select("channel", "about", CHANNELS.items())
        + select("audit", "audit", ((a, a) for a in audits))
    )
    return section("findings", "Findings by weight", filters("finding", bar) + cards)


def brief_cards(report: Report) -> str:
    """Every finding by its weight, without drawings and examples."""
    order = (report.findings[i] for i in by_weight(report))
    return "".join(card(replace(f, examples=(), series=())) for f in order)


def limits(report: Report) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in report.not_covered)
    return section("limits", "Not covered", f"<ul>{lines}</ul>")


def rules(report: Report) -> str:
    """Thresholds and the words that decide, as they were in this run."""
    s = report.subject
    if not s.rules and not s.words:
        return ""
    rows = "".join(row(name, value) for name, value in s.rules)
    words = "".join(
        row(f"{w.name}: {what}", ", ".join(some) or "none")
        for w in s.words
        for what, some in (
            ("counts as naming it", w.aliases),
            ("counts as naming its kind", w.abstractions),
            ("counts as another name in its place", w.siblings),
        )
    )
    table = f'<table class="facts"><tbody>{rows}{words}</tbody></table>'
    return section("rules", "Rules and words", table)


def row(name: str, value: str) -> str:
    return f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
