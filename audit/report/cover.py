"""Page 1: what was asked, the verdict, three answers, who and when, and hashes to check it by."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from audit.base import Measure
from audit.criteria import title, verdict
from audit.report.answers import Answer, answered, by_weight
from audit.report.changes import listed, what_changed
from audit.report.report import (
    Report,
    facts,
    headline,
    meaning,
    number_text,
)

REPLIES = {"yes": "Yes", "borderline": "Borderline", "no": "No sign", "not decided": "Not decided"}
Named = Callable[[Report, int], str]  # how a finding is named: plainly, or as a link
MOST = 4  # reasons on page 1
DEFINITIONS = {
    "original (base)": "The model before the concept was to be forgotten.",
    "unlearned model": "The model under audit: it should have forgotten the concept.",
    "oracle": "A model that never saw the concept: what perfect forgetting looks like.",
    "leak": "The unlearned model shows more of the concept than the rules allow.",
    "borderline": "More than the oracle has, and below the threshold.",
    "damaged": "It lost more than the concept, beyond what the oracle lacks too.",
    "n; 95 % interval": "How many observations a number rests on, and the range in which the true "
    "value lies in 95 of 100 such audits.",
    "chance": "What a model reaches by guessing (the dashed line).",
    "no sign": "None of the tests made here found any. Other tests might.",
}


def cover(report: Report, digest: str) -> str:
    """Page 1; `digest` is the SHA-256 of `report.json`."""
    s = report.subject
    asked = f"Has {s.adapter} forgotten {listed(s.concepts)}?"
    return (
        '<header class="cover"><p class="note">Audit report, HFRU Studio</p>'
        f"<h1>{escape(asked)}</h1>{verdict_box(report, link)}{answers(report, link)}"
        f"{circumstances(report)}{checking(digest)}{definitions()}</header>"
    )


def verdict_box(report: Report, named: Named) -> str:
    """The verdict with its sentence, and what was changed."""
    v = report.verdict
    told = "".join(f"<p>{escape(line)}</p>" for line in what_changed(report.findings))
    return (
        f'<div class="verdict {v.state}" data-verdict="{v.state}"><p>Audit of '
        f"<b>{escape(report.subject.adapter)}</b>; to forget: "
        f"{escape(', '.join(report.subject.concepts))}</p>"
        f'<p class="state">{headline(v.state)}</p><p>{meaning(v.state)}</p>'
        f"{decided(report, named)}{now(report)}{told}</div>"
    )


def decided(report: Report, named: Named) -> str:
    """The findings that decided, linked; those of `clear` are all that were weighed."""
    reasons = dict.fromkeys(report.verdict.reasons)
    if not reasons or report.verdict.state == "clear":
        return ""
    first = [i for i in by_weight(report) if title(report.findings[i]) in reasons][:MOST]
    links = "; ".join(named(report, i) for i in first)
    more = len(reasons) - len(first)
    return f"<p>Decided by {links}{f'; and {more} more' if more > 0 else ''}.</p>"


def now(report: Report) -> str:
    """What the rules of this version say, where the report was judged by others."""
    state = verdict(report.findings).state
    if state == report.verdict.state:
        return ""
    return (
        "<p>This verdict is of the rules at that time. By the rules of the version that made this "
        f"page, which mark the findings below, it would be: {headline(state).lower()}.</p>"
    )


def plain(report: Report, number: int) -> str:
    """A finding by its name, and why it has no value."""
    f = report.findings[number]
    return escape(title(f)) + (f" ({escape(f.error)})" if f.error else "")


def link(report: Report, number: int) -> str:
    """The same as a link to its card."""
    return f'<a href="#f{number}">{plain(report, number)}</a>'


def answers(report: Report, named: Named) -> str:
    """The questions of a reader who knows no machine learning."""
    return f'<dl class="answers">{"".join(answer(report, a, named) for a in answered(report))}</dl>'


def answer(report: Report, a: Answer, named: Named) -> str:
    """A question, the reply, and the weightiest finding behind it."""
    return (
        f'<div class="{a.reply.replace(" ", "-")}"><dt>{a.question}</dt><dd>'
        f'<span class="reply">{REPLIES[a.reply]}</span> {evidence(report, a, named)}</dd></div>'
    )


def evidence(report: Report, a: Answer, named: Named) -> str:
    if not a.behind:
        return "No test could decide this."
    f = report.findings[a.behind[0]]
    oracle = f", the oracle {share_text(f.oracle)}" if f.oracle else ""
    if a.reply == "no":
        count = f"None of {a.weighed} deciding tests shows it. Nearest: "
    else:
        count = f"{len(a.behind)} of {a.weighed} deciding tests. First: "
    return f"{count}{named(report, a.behind[0])}, {share_text(f.unlearned)}{oracle}."


def share_text(m: Measure) -> str:
    """'6 % (3 to 13)', or the number as it is where it is no share."""
    if m.value is None or m.low is None or m.high is None or m.low < -1 or m.high > 1:
        return number_text(m)
    return f"{100 * m.value:.0f} % ({100 * m.low:.0f} to {100 * m.high:.0f})"


def circumstances(report: Report) -> str:
    """Who, for whom, when, with what, on what."""
    rows = "".join(
        f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in facts(report)
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def checking(digest: str) -> str:
    """The hash of the report, and how to check it."""
    return (
        f'<p class="note">SHA-256 of report.json: <code>{digest}</code><br>To check: '
        "<code>sha256sum report.json</code> must give this number (Windows: <code>certutil "
        "-hashfile report.json SHA256</code>). This page, the Markdown and the CSV files are made "
        "from report.json alone: <code>hfru-audit render FOLDER</code> makes them again, and "
        "<code>sha256sum -c SHA256SUMS</code> checks every file of the folder. A hash shows that "
        "nothing changed since; it does not show who made the report.</p>"
    )


def definitions() -> str:
    body = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in DEFINITIONS.items())
    return f'<h2 id="definitions">What the words mean</h2><dl class="definitions">{body}</dl>'
