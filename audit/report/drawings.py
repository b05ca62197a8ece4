"""A finding's series as SVG, for a page without scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import isqrt

from audit.base import Finding, Series
from audit.report.plots import (
    ROLES,
    Patches,
    calls,
    colour,
    curves,
    flows,
    heat,
    maps,
    picture_uri,
    role_of,
    top_of,
)
from audit.report.report import called, short

SHOWN = 12  # rows of a flow


def svg(f: Finding) -> str:
    """The series as a drawing that needs no script."""
    if flows(f):
        return flow_table(f)
    if calls(f):
        return call_table(f)
    if maps(f):
        return "".join(point_svg(name, s, f) for name, s in maps(f).items())
    if heat(f):
        return "".join(heat_svg(key, values, called(f)) for key, values in heat(f).items())
    return line_svg(curves(f), called(f)) if curves(f) else ""


def flow_table(f: Finding) -> str:
    found = flows(f)
    total = sum(n for _, _, n in found) or 1
    rows = "".join(
        f"<tr><td>{escape(a)}</td><td>→ {escape(b)}</td><td>{n:.0f}</td>"
        f"<td>{n / total:.0%}</td></tr>"
        for a, b, n in found[:SHOWN]
    )
    heads = ("base said", "unlearned says", "answers", "share")
    head = f"<tr>{''.join(f'<th>{h}</th>' for h in heads)}</tr>"
    return f"<table>{head}{rows}</table>"


def call_table(f: Finding) -> str:
    """What each class is called before and after; a class that changed is marked."""
    rows = ""
    for own, by_model in calls(f).items():
        was, now = (by_model.get(m, []) for m in ("base", "unlearned"))
        cells = [escape(", ".join(f"{name} {n}" for name, n in said)) for said in (was, now)]
        mark = " class=fails" if was != now else ""
        rows += f"<tr><td>{escape(own)}</td><td>{cells[0]}</td><td{mark}>{cells[1]}</td></tr>"
    heads = ("class", "the original calls it", "the unlearned model calls it")
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def scaled(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A linear map of low..high to pixels."""
    return lambda v: start + (end - start) * (v - low) / ((high - low) or 1)


def line_svg(found: Sequence[Series], name: str) -> str:
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
    return drawing(700, 176, f"Curves of {name}: {', '.join(s.name for s in found)}", body)


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


def point_svg(name: str, s: Series, f: Finding) -> str:
    """A map of one model."""
    ys = [y for y in s.y if y is not None]
    x_at, y_at = scaled(min(s.x), max(s.x), 8, 212), scaled(min(ys), max(ys), 232, 28)
    dots = "".join(
        f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="3" '
        f'fill="{ROLES.get(role_of(e), "#7c8798")}"/>'
        for x, y, e in zip(s.x, s.y, f.examples)
        if y is not None
    )
    title = f'<text x="8" y="16">{escape(name)}</text>'
    return drawing(220, 240, f"Map of the {name} model's pictures: {called(f)}", title + dots)


def heat_svg(key: str, values: Patches, name: str) -> str:
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
    return drawing(104 * len(values), 116, f"Heat over a picture, model by model: {name}", body)


def extent(values: Sequence[float | None]) -> tuple[float, float]:
    """A scale: 0 to 1 for shares, else the range of the values, with zero."""
    found = [v for v in values if v is not None]
    low, high = min(found, default=0.0), max(found, default=1.0)
    return (0.0, 1.0) if 0 <= low and high <= 1 else (min(0.0, low), max(0.0, high))


def drawing(width: int, height: int, label: str, body: str) -> str:
    """An SVG that says what it shows to who does not see it."""
    return (
        f'<svg class="drawing" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )
