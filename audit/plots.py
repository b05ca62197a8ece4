"""How findings look: the report's page (HTML and SVG by hand) and Plotly figures for the app.

Everything that others wrote is escaped. The page has no script and loads nothing.
"""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from functools import lru_cache
from html import escape

from audit.base import Finding, Measure
from audit.report import MEANING, Report, called, decision, facts, told
from hfru_core.data import load_image
from hfru_core.types import UserError

SHOWN = 12
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'"
STYLE = """
.audit { --soft: #566273; --line: #dfe5ee; --tint: #eef2f8; --bad: #b3164e; --good: #00694f;
  --warn: #8a5000; --base: #7c8798; --unlearned: #d55e00; --oracle: #0072b2; }
body.audit { max-width: 940px; margin: 0 auto; padding: 24px 16px; color: #171e36; background: #fff;
  font: 15px/1.5 system-ui, sans-serif; }
.audit .verdict { padding: 16px 20px; border-radius: 14px; background: var(--tint);
  border-left: 8px solid var(--warn); }
.audit .verdict h1 { margin: 4px 0; font-size: 30px; color: var(--warn); }
.audit .verdict.leak, .audit .verdict.damaged { border-color: var(--bad); }
.audit .verdict.leak h1, .audit .verdict.damaged h1 { color: var(--bad); }
.audit .verdict.clear { border-color: var(--good); }
.audit .verdict.clear h1 { color: var(--good); }
.audit .finding { padding: 12px 16px; margin: 10px 0; border: 1px solid var(--line);
  border-radius: 12px; overflow-wrap: anywhere; }
.audit .finding h3 { margin: 0 0 8px; font-size: 15px; }
.audit .says { padding: 1px 10px; border-radius: 99px; font-size: 12.5px; font-weight: 400;
  background: var(--tint); }
.audit .says.leak, .audit .says.damage { background: var(--bad); color: #fff; }
.audit .says.no-leak, .audit .says.no-damage { background: var(--good); color: #fff; }
.audit .bar { display: grid; grid-template-columns: 84px 1fr 210px; gap: 10px; font-size: 13px;
  align-items: center; }
.audit .track { position: relative; height: 12px; background: var(--tint); border-radius: 3px; }
.audit .track * { position: absolute; top: 0; bottom: 0; }
.audit .track b { top: 5px; bottom: 5px; background: #000; min-width: 2px; }
.audit .track u { top: -2px; bottom: -2px; border-left: 1.5px dashed var(--soft); }
.audit table { border-collapse: collapse; width: 100%; font-size: 13.5px; }
.audit th, .audit td { padding: 4px 8px; text-align: left; vertical-align: top;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.audit .note, .audit .error, .audit summary { font-size: 13px; color: var(--soft); }
.audit .error { color: var(--bad); }
.audit svg { max-width: 100%; height: auto; }
@media (max-width: 620px) { .audit .bar { grid-template-columns: 74px 1fr; }
  .audit .bar small { grid-column: 2; } }
"""


def page(report: Report) -> str:
    """The report as one page: no script, nothing loaded, everything of others escaped."""
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts(report))
    groups: dict[str, str] = defaultdict(str)
    for f in report.findings:
        groups[f.audit] += card(f)
    cards = "".join(f"<h2>{escape(name)}</h2>{part}" for name, part in groups.items())
    limits = "".join(f"<li>{escape(line)}</li>" for line in report.not_covered)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Audit of {escape(report.subject.adapter)}: {report.verdict.state}</title>
<style>{STYLE}</style></head><body class="audit">
{banner(report)}{cards}<h2>Not covered</h2><ul>{limits}</ul>
<h2>Made with</h2><table>{rows}</table></body></html>
"""


def banner(report: Report) -> str:
    """The verdict, what it means, and what decided it."""
    v = report.verdict
    reasons = "".join(f"<li>{escape(r)}</li>" for r in dict.fromkeys(v.reasons))
    decided = f"<details open><summary>What decided</summary><ul>{reasons}</ul></details>"
    return (
        f'<header class="verdict {v.state}" data-verdict="{v.state}"><p>Audit of '
        f"<b>{escape(report.subject.adapter)}</b>, which was to forget "
        f"{escape(', '.join(report.subject.concepts))}</p><h1>{v.state}</h1>"
        f"<p>{MEANING[v.state]}</p>{decided if reasons else ''}</header>"
    )


def card(f: Finding) -> str:
    """One finding: what it says, its bars and intervals, curves, examples, limits."""
    says = decision(f)
    parts = [
        f'<section class="finding"><h3>{escape(called(f))} '
        f'<span class="says {says.replace(" ", "-")}">{says}</span></h3>',
        bars(f), svg(f), examples(f),
        f'<p class="error">{escape(f.error)}</p>' if f.error else "",
        f"<p>{f.unscored} answers could not be judged by a rule.</p>" if f.unscored else "",
        f'<p class="note">{escape(f.note)}</p>' if f.note else "", "</section>",
    ]  # fmt: skip
    return "".join(parts)


def examples(f: Finding) -> str:
    """The pictures and answers behind the number, folded away."""
    if not f.examples:
        return ""
    rows = "".join(
        f"<tr><td>{picture(e.image)}</td>"
        + "".join(f"<td>{escape(t or '')}</td>" for t in (e.question, e.base, e.unlearned,
                                                          e.oracle))
        + "</tr>"
        for e in f.examples[:SHOWN]
    )  # fmt: skip
    head = "".join(f"<th>{t}</th>" for t in ("", "question", "base", "unlearned", "oracle"))
    return (
        f"<details><summary>{min(SHOWN, len(f.examples))} examples</summary>"
        f"<table><tr>{head}</tr>{rows}</table></details>"
    )


def extent(f: Finding) -> tuple[float, float]:
    """The scale of the bars: 0 to 1 for shares, else all that is to be shown."""
    found = [v for m in (f.base, f.unlearned, f.oracle) if m for v in (m.value, m.low, m.high)]
    values = [v for v in (*found, f.chance) if v is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (0.0, 1.0) if 0 <= low and high <= 1 else (min(0.0, low), max(0.0, high))


def bars(f: Finding) -> str:
    """Base, unlearned and oracle as bars with their intervals; chance is the dashed line."""
    low, high = extent(f)
    at = lambda v: 100 * (v - low) / (high - low or 1)  # noqa: E731
    chance = f'<u style="left:{at(f.chance):.1f}%"></u>' if f.chance is not None else ""
    rows = ""
    for name, m in (("base", f.base), ("unlearned", f.unlearned), ("oracle", f.oracle)):
        drawn = chance + interval(name, m, at) if m and m.value is not None else ""
        text = told(m) if m and m.value is not None else "not measured"
        rows += (
            f'<div class="bar"><span>{name}</span><div class="track">{drawn}</div>'
            f"<small>{text}</small></div>"
        )
    return rows


def interval(name: str, m: Measure, at) -> str:
    """A bar from zero to the value, and the interval as a thin line over it."""
    zero, end, low, high = at(0.0), at(m.value), at(m.low), at(m.high)
    left, width = min(zero, end), abs(end - zero)
    return (
        f'<i style="left:{left:.1f}%;width:{width:.1f}%;background:var(--{name})"></i>'
        f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b>'
    )


@lru_cache(maxsize=512)
def picture(key: str | None, size: int = 96) -> str:
    """A picture as an <img> with its pixels inside; empty where it is no longer there."""
    try:
        image = load_image(key).copy() if key else None
    except UserError:
        image = None
    if image is None:
        return ""
    image.thumbnail((size, size))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    uri = "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="{uri}" alt="" loading="lazy">'


def svg(f: Finding) -> str:
    return ""
