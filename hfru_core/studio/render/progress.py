"""A session's state as HTML: nothing yet, the progress bar, the probe pictures."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from hfru_core.studio.i18n.catalogue import say
from hfru_core.studio.render import answers_html
from hfru_core.studio.sessions.runner import Report


def nothing_yet(language: str) -> str:
    """A placeholder for the session, before there is one."""
    head, hint = say("unlearn.empty", language), say("unlearn.empty.hint", language)
    steps = "".join(f"<li>{say(f'unlearn.empty.{i}', language)}</li>" for i in range(1, 5))
    return f'<div class="empty"><b>{head}</b>{hint}<ol>{steps}</ol></div>'


def stopping(report: Report) -> Report:
    """The report of a session that is about to stop."""
    return replace(report, title="Stopping", detail="the best adapter so far is kept")


def status(report: Report) -> str:
    """How far a session is."""
    return bar(report.title, report.detail, report.share)


def bar(title: str, detail: str, share: float = 0.0) -> str:
    """The progress bar with a title and a detail; `share` of it (0 to 1) is done."""
    return (
        f'<div class="status" role="status"><div class="top"><b>{escape(title)}</b>'
        f"<span>{escape(detail)}</span></div>"
        f'<div class="bar"><i style="width:{100 * share:.1f}%"></i></div></div>'
    )


def probes(report: Report) -> str:
    """The probe pictures with the answers before and now."""
    if not report.probes:
        return ""
    rows = [
        (p, answers_html.Context(report.concepts, p.question, answers_html.present_names(p.image)))
        for p in report.probes
    ]
    title = '<p class="asked">The same pictures: before, and at the last check</p>'
    table = answers_html.answer_table(rows, "Last check")
    return title + answers_html.scrolling(table, "The same pictures")
