"""The table of all judged samples."""

from __future__ import annotations

from html import escape

from audit.report.answers import by_weight
from audit.report.filters import filters, search, section, select
from audit.report.plots import picture_uri
from audit.report.report import Report, called
from audit.report.samples import Judged, fails

PRINTED = 60  # samples on paper


def samples(report: Report) -> str:
    """Every judged sample, failures first; each picture is in the file once."""
    if not report.samples:
        some = "This report keeps some examples with its findings, and not all of its samples."
        return section("samples", "Judged samples", f"<p>{some}</p>")
    known = list(dict.fromkeys(s.image for s in report.samples if s.image))
    seen = {key: i for i, key in enumerate(known) if picture_uri(key)}
    rows = "".join(
        sample(report, s, seen.get(s.image or ""), i >= PRINTED)
        for i, s in enumerate(report.samples)
    )
    body = printed(report) + controls(report) + pictures(seen) + table(rows)
    return section("samples", f"All {len(report.samples)} judged samples, failures first", body)


def controls(report: Report) -> str:
    """Search, and the samples of one finding."""
    judging = {row[0] for s in report.samples for row in s.judged}
    names = [(str(i), called(report.findings[i])) for i in by_weight(report) if i in judging]
    only = '<label>only failures<input type="checkbox" name="failed"></label>'
    return filters("sample", search("sample") + select("finding", "of a finding", names) + only)


def table(rows: str) -> str:
    heads = ("picture", "question", "base", "unlearned", "oracle", "fails in")
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    return (
        f'<div class="wide"><table class="samples"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def printed(report: Report) -> str:
    rest = len(report.samples) - PRINTED
    return (
        f'<p class="print">The first {PRINTED} are printed here; the other {rest} are in '
        "samples.csv and in report.html.</p>"
        if rest > 0
        else ""
    )


def pictures(seen: dict[str, int]) -> str:
    """The pictures, to be used by number."""
    body = "".join(
        f'<symbol id="p{i}" viewBox="0 0 64 64"><image href="{picture_uri(key)}" width="64" '
        'height="64"/></symbol>'
        for key, i in seen.items()
    )
    return f'<svg width="0" height="0" aria-hidden="true">{body}</svg>'


def sample(report: Report, s: Judged, picture: int | None, screen: bool) -> str:
    """A row: the answers, and the findings in which the unlearned model's is a bad one."""
    deciding = [row for row in s.judged if report.findings[row[0]].kind != "info"]
    bad = [row[0] for row in deciding if fails(row[1:], report.findings[row[0]])]
    shown = (
        f'<svg class="picture" aria-hidden="true"><use href="#p{picture}"/></svg>'
        if picture is not None
        else ""
    )
    links = "; ".join(f'<a href="#f{i}">{escape(report.findings[i].name)}</a>' for i in bad)
    marks = f'data-judged="{" ".join(str(row[0]) for row in s.judged)}"'
    return (
        f'<tr{" class=screen" if screen else ""} {marks} data-fails="{" ".join(map(str, bad))}">'
        f"<td>{shown}</td><td>{escape(s.question)}</td><td>{escape(s.base)}</td>"
        f"<td{' class=fails' if bad else ''}>{escape(s.unlearned)}</td>"
        f"<td>{escape(s.oracle or '')}</td><td>{links}</td></tr>"
    )
