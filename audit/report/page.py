"""The report's page: one HTML file with drawings in SVG and no script; it loads nothing.

Everything that others wrote is escaped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape
from math import isqrt

from audit.base import Example, Finding, Interval, Series
from audit.criteria import title
from audit.report.changes import what_changed
from audit.report.plots import (
    COLOURS,
    ROLES,
    Patches,
    colour,
    curves,
    flows,
    heat,
    maps,
    picture_uri,
    role_of,
    top_of,
)
from audit.report.report import (
    HEADLINE,
    MEANING,
    Report,
    called,
    decision,
    facts,
    number_text,
    short,
)

SHOWN = 12
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'"
STYLE = """
.audit { --soft: #566273; --line: #dfe5ee; --tint: #eef2f8; --bad: #b3164e; --good: #00694f;
  --warn: #8a5000; --ink: #171e36; }
.dark .audit { --soft: #9aa7b8; --line: #2b3648; --tint: #1b2433; --bad: #ff9dbf; --good: #63dcb8;
  --warn: #ffc566; --ink: #e8edf6; }
body.audit { max-width: 940px; margin: 0 auto; padding: 24px 16px; background: #fff;
  font: 15px/1.5 system-ui, sans-serif; }
.audit { color: var(--ink); overflow-wrap: anywhere; }
.audit .verdict { padding: 14px 20px; border-radius: 14px; background: var(--tint);
  border-left: 8px solid var(--warn); }
.audit .verdict p, .audit .verdict h1 { margin: 2px 0; }
.audit .verdict h1 { font-size: 28px; color: var(--warn); }
.audit .verdict.leak, .audit .verdict.damaged { border-color: var(--bad); }
.audit .verdict.leak h1, .audit .verdict.damaged h1 { color: var(--bad); }
.audit .verdict.clear { border-color: var(--good); }
.audit .verdict.clear h1 { color: var(--good); }
.audit .finding { padding: 12px 16px; margin: 10px 0; border: 1px solid var(--line);
  border-radius: 12px; }
.audit .finding h3 { margin: 0 0 8px; font-size: 15px; }
.audit .says { padding: 1px 10px; border-radius: 99px; font-size: 12.5px; font-weight: 400;
  background: var(--tint); border: 1px solid var(--line); }
.audit .says.leak, .audit .says.damage { color: var(--bad); border-color: var(--bad); }
.audit .says.no-leak, .audit .says.no-damage { color: var(--good); border-color: var(--good); }
.audit .bar { display: grid; grid-template-columns: 84px 1fr 210px; gap: 10px; font-size: 13px;
  align-items: center; }
.audit .track { position: relative; height: 12px; background: var(--tint); border-radius: 3px; }
.audit .track * { position: absolute; top: 0; bottom: 0; }
.audit .track b { top: 5px; bottom: 5px; background: var(--ink); min-width: 2px; }
.audit .track u { top: -2px; bottom: -2px; border-left: 1.5px dashed var(--soft); }
.audit table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
.audit th, .audit td { padding: 4px 8px; text-align: left; vertical-align: top;
  border-top: 1px solid var(--line); }
.audit .note, .audit .error, .audit summary, .audit text { font-size: 13px; color: var(--soft);
  fill: var(--soft); }
.audit .error { color: var(--bad); }
.audit svg { max-width: 100%; height: auto; margin: 6px 10px 0 0; }
@media (max-width: 620px) { .audit .bar { grid-template-columns: 74px 1fr; }
  .audit .bar small { grid-column: 2; } }
"""


def page(report: Report) -> str:
    """The report as one page."""
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts(report))
    limits = "".join(f"<li>{escape(line)}</li>" for line in report.not_covered)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {escape(report.subject.adapter)}: {report.verdict.state}</title>
<style>{STYLE}</style></head><body class="audit">
{banner(report)}{cards(report.findings)}<h2>Not covered</h2><ul>{limits}</ul>
<h2>Made with</h2><table>{rows}</table></body></html>
"""


def banner(report: Report) -> str:
    """The verdict, its meaning, and the evidence for it."""
    v = report.verdict
    reasons = "".join(f"<li>{escape(r)}{beside(report, r)}</li>" for r in dict.fromkeys(v.reasons))
    decided = (
        f"<details open><summary>Evidence for the verdict</summary><ul>{reasons}</ul></details>"
    )
    told = "".join(f"<p>{escape(line)}</p>" for line in what_changed(report.findings))
    return (
        f'<header class="verdict {v.state}" data-verdict="{v.state}"><p>Audit of '
        f"<b>{escape(report.subject.adapter)}</b>; to forget: "
        f"{escape(', '.join(report.subject.concepts))}</p><h1>{HEADLINE[v.state]}</h1>"
        f"<p>{MEANING[v.state]}</p>{told}{decided if reasons else ''}</header>"
    )


def beside(report: Report, reason: str) -> str:
    """The numbers of the finding that a reason quotes: unlearned, then its references."""
    f = next(f for f in report.findings if title(f) == reason)
    shown = (("unlearned", f.unlearned), ("oracle", f.oracle), ("base", f.base))
    known = [f"{name} {short(m.value)}" for name, m in shown if m and m.value is not None]
    return f': <b title="{escape(meant(f))}">{", ".join(known)}</b>' if known else ""


def meant(f: Finding) -> str:
    """The tooltip of a finding's numbers: what they are, and which way is better."""
    better = {"higher": "lower is better", "lower": "higher is better"}[f.direction]
    guess = f" Guessing gives {short(f.chance)}." if f.chance is not None else ""
    better = "for information" if f.kind == "info" else better
    return f"{f.name}; {better}. Value (95 % interval), n: observations.{guess} {f.note}".strip()


def cards(findings: Sequence[Finding], brief: bool = False) -> str:
    """Every finding, audit by audit; `brief` leaves out drawings and examples."""
    groups: dict[str, str] = defaultdict(str)
    for f in findings:
        groups[f.audit] += card(replace(f, examples=(), series=()) if brief else f)
    return "".join(f"<h2>{escape(name)}</h2>{part}" for name, part in groups.items())


def card(f: Finding, drawn: bool = True) -> str:
    """One finding: its meaning, bars with intervals, series, examples and limits."""
    says = decision(f)
    parts = [
        f'<section class="finding"><h3>{escape(called(f))} '
        f'<span class="says {says.replace(" ", "-")}">{says}</span></h3>',
        bars(f),
        svg(f) if drawn else "",
        "" if maps(f) else examples(f),
        f'<p class="error">{escape(f.error)}</p>' if f.error else "",
        f"<p>{f.unscored} answers could not be judged by a rule.</p>" if f.unscored else "",
        f'<p class="note">{escape(f.note)}</p>' if f.note else "",
        "</section>",
    ]
    return "".join(parts)


def examples(f: Finding) -> str:
    """The images and answers behind the number, folded away."""
    if not f.examples:
        return ""
    rows = "".join(
        f"<tr><td>{picture(e.image)}</td>"
        + "".join(
            f"<td>{escape(t or '')}</td>" for t in (e.question, e.base, e.unlearned, e.oracle)
        )
        + "</tr>"
        for e in f.examples[:SHOWN]
    )
    head = "".join(f"<th>{t}</th>" for t in ("", "question", "base", "unlearned", "oracle"))
    return (
        f"<details><summary>Show {counted(f.examples)}</summary>"
        f"<table><tr>{head}</tr>{rows}</table></details>"
    )


def counted(found: Sequence[Example]) -> str:
    """'4 examples', or '12 of 64 examples' where not all are shown."""
    return f"{SHOWN} of {len(found)} examples" if len(found) > SHOWN else f"{len(found)} examples"


def extent(values: Sequence[float | None]) -> tuple[float, float]:
    """A scale: 0 to 1 for shares, else the range of the values, with zero."""
    found = [v for v in values if v is not None]
    low, high = min(found, default=0.0), max(found, default=1.0)
    return (0.0, 1.0) if 0 <= low and high <= 1 else (min(0.0, low), max(0.0, high))


def bars(f: Finding) -> str:
    """Base, unlearned and oracle as bars with their intervals; chance is the dashed line."""
    models = {"base": f.base, "unlearned": f.unlearned, "oracle": f.oracle}
    known = {k: m.interval for k, m in models.items() if m and m.interval}
    low, high = extent([*(v for interval in known.values() for v in interval), f.chance])
    at = scaled(low, high, 0, 100)
    chance = f'<u style="left:{at(f.chance):.1f}%"></u>' if f.chance is not None else ""
    tip = escape(meant(f))
    return "".join(
        f'<div class="bar"><span>{name}</span><div class="track">'
        f"{chance + bar(COLOURS[name], known[name], at) if name in known else ''}</div>"
        f'<small title="{tip}">{number_text(m) if name in known else "not measured"}</small></div>'
        for name, m in models.items()
    )


def bar(tone: str, interval: Interval, at: Callable[[float], float]) -> str:
    """A bar from zero to the value, and the interval as a thin line over it."""
    zero, (end, low, high) = at(0.0), map(at, interval)
    left, width = min(zero, end), abs(end - zero)
    return (
        f'<i style="left:{left:.1f}%;width:{width:.1f}%;background:{tone}"></i>'
        f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b>'
    )


def picture(key: str | None) -> str:
    uri = picture_uri(key)
    return f'<img src="{uri}" alt="" loading="lazy">' if uri else ""


def svg(f: Finding) -> str:
    """The series as a drawing that needs no script."""
    if flows(f):
        return flow_table(f)
    if maps(f):
        return "".join(point_svg(name, s, f.examples) for name, s in maps(f).items())
    if heat(f):
        return "".join(heat_svg(key, values) for key, values in heat(f).items())
    return line_svg(curves(f)) if curves(f) else ""


def flow_table(f: Finding) -> str:
    found = flows(f)
    total = sum(n for _, _, n in found) or 1
    rows = "".join(
        f"<tr><td>{escape(a)}</td><td>→ {escape(b)}</td><td>{n:.0f}</td>"
        f"<td>{n / total:.0%}</td></tr>"
        for a, b, n in found[:SHOWN]
    )
    head = "<tr><th>base said</th><th>unlearned says</th><th>answers</th><th></th></tr>"
    return f"<table>{head}{rows}</table>"


def scaled(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A linear map of low..high to pixels."""
    return lambda v: start + (end - start) * (v - low) / ((high - low) or 1)


def line_svg(found: Sequence[Series]) -> str:
    """Curves with the ends of both axes; a missing value is a gap."""
    xs = [x for s in found for x in s.x]
    low, high = extent([y for s in found for y in s.y])
    x_at, y_at = scaled(min(xs), max(xs), 48, 440), scaled(low, high, 150, 10)
    body = "".join(
        f'<text x="{x}" y="{y}">{short(v)}</text>'
        for x, y, v in ((4, 152, low), (4, 18, high), (44, 168, min(xs)), (410, 168, max(xs)))
    )
    for i, s in enumerate(found):
        tone = colour(s.name, i)
        body += path(s, x_at, y_at, tone)
        body += f'<text x="456" y="{24 + 20 * i}" style="fill:{tone}">{escape(s.name)}</text>'
    return f'<svg viewBox="0 0 700 176" width="700" role="img">{body}</svg>'


def path(s: Series, x_at: Callable, y_at: Callable, tone: str) -> str:
    """A line through neighbouring values, and a dot on each."""
    spots = [y is not None and (x_at(x), y_at(y)) for x, y in zip(s.x, s.y)]
    line = "".join(
        f"{'L' if i and spots[i - 1] else 'M'}{p[0]:.1f} {p[1]:.1f}"
        for i, p in enumerate(spots)
        if p
    )
    dots = "".join(
        f'<circle cx="{p[0]:.1f}" cy="{p[1]:.1f}" r="2.5" fill="{tone}"/>' for p in spots if p
    )
    return f'<path d="{line}" fill="none" stroke="{tone}" stroke-width="2"/>{dots}'


def point_svg(name: str, s: Series, shown: Sequence[Example]) -> str:
    """A map of one model."""
    ys = [y for y in s.y if y is not None]
    x_at, y_at = scaled(min(s.x), max(s.x), 8, 212), scaled(min(ys), max(ys), 232, 28)
    dots = "".join(
        f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3" '
        f'fill="{ROLES.get(role_of(e), "#7c8798")}"/>'
        for x, y, e in zip(s.x, s.y, shown)
        if y is not None
    )
    title = f'<text x="8" y="16">{escape(name)}</text>'
    return f'<svg viewBox="0 0 220 240" width="220" role="img">{title}{dots}</svg>'


def heat_svg(key: str, values: Patches) -> str:
    """An image under the map of each model; the higher the value, the redder."""
    uri, top, body = picture_uri(key), top_of(values), ""
    for at, (model, row) in enumerate(values.items()):
        side = isqrt(len(row))
        size = 96 / side
        under = f'<image href="{uri}" x="{104 * at}" y="18" width="96" height="96"/>' if uri else ""
        cells = "".join(
            f'<rect x="{104 * at + size * (i % side):.1f}" y="{18 + size * (i // side):.1f}" '
            f'width="{size:.1f}" height="{size:.1f}" fill="#d55e00" '
            f'opacity="{0.85 * max(0.0, v or 0.0) / top:.2f}"/>'
            for i, v in enumerate(row)
        )
        body += f'<text x="{104 * at}" y="12">{escape(model)}</text>{under}{cells}'
    width = 104 * len(values)
    return f'<svg viewBox="0 0 {width} 116" width="{width}" role="img">{body}</svg>'
