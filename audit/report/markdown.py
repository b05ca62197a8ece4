"""The report as Markdown: for terminals, diffs and tickets."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from audit.report.answers import answered, by_weight
from audit.report.changes import what_changed
from audit.report.report import Report, called, decision, facts, meaning, number_text, short


def markdown(report: Report, digest: str) -> str:
    """The report as Markdown: verdict, table of findings, limits, circumstances."""
    v = report.verdict
    head = ("finding", "says", "unlearned", "base", "oracle", "chance")
    rows = [
        (
            called(f),
            decision(f),
            *map(number_text, (f.unlearned, f.base, f.oracle)),
            short(f.chance),
        )
        for f in (report.findings[i] for i in by_weight(report))
    ]
    table = "\n".join(f"| {' | '.join(map(cell, r))} |" for r in (head, ("---",) * 6, *rows))
    parts = {
        "In short": bullets(in_short(report)),
        "Evidence for the verdict": bullets(v.reasons) or "Nothing.",
        "Findings": table,
        "Not covered": bullets(report.not_covered),
        "Made with": bullets(
            [*(f"{k}: {value}" for k, value in facts(report)), f"SHA-256 of report.json: {digest}"]
        ),
    }
    body = "\n\n".join(f"## {name}\n\n{text}" for name, text in parts.items())
    changed = "".join(f"\n\n{cell(line)}" for line in what_changed(report.findings))
    heading = f"# Audit of {cell(report.subject.adapter)}: {v.state}\n\n{meaning(v.state)}"
    concepts = cell(", ".join(report.subject.concepts))
    note = "Value (95 % interval), n. Oracle: a model retrained without the concept."
    return f"{heading} To forget: {concepts}. {note}{changed}\n\n{body}\n"


def in_short(report: Report) -> list[str]:
    """The three questions about the concept and the one about the rest, with their answers."""
    return [f"{a.question} {a.reply} ({a.weighed} deciding tests)" for a in answered(report)]


def cell(text: str) -> str:
    return escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {cell(line)}" for line in lines)
