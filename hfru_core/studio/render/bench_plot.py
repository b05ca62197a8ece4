"""Any two columns of the benchmark against each other, as a Plotly figure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import plotly.graph_objects as go

from audit.report.plots import styled
from hfru_core.bench.columns import Column
from hfru_core.bench.table import Group, between
from hfru_core.studio.render.bench_html import runs

# Okabe and Ito's colours, told apart by the colour-blind; the symbol says the same again.
SCOPES = {
    "encoder": ("0,114,178", "circle"), "encoder+projector": ("0,158,115", "square"),
    "decoder": ("213,94,0", "triangle-up"), "all": ("204,121,167", "diamond"),
}  # fmt: skip
OTHER, PALE = ("140,109,49", "pentagon"), "124,135,152"
REFERENCES = {"oracle": "star", "base": "x", "output-filter": "cross"}
WIDE, TALL = 0.2, 0.05  # what a name takes, as a share of the axes


def scatter(groups: Sequence[Group], x: Column, y: Column, chosen: str = "") -> go.Figure:
    """Any two columns against each other; references have a shape of their own, and their name."""
    there = [g for g in groups if None not in (g.cell(x.key).mean, g.cell(y.key).mean)]
    methods = [g for g in there if g.first.kind == "method"]
    names = roomy(there, x, y)
    out = go.Figure()
    for scope in dict.fromkeys(g.first.scope for g in methods):
        tone, symbol = SCOPES.get(scope, OTHER)
        rows = [g for g in methods if g.first.scope == scope]
        shape = Shape(scope or "methods", tone, symbol, names)
        points(out, rows, x, y, shape, middle(there, x))
    for g in there:
        if g.first.kind == "reference":
            symbol = REFERENCES.get(g.first.method, "hexagon")
            shape = Shape(g.first.label, PALE, symbol, names, size=15)
            points(out, [g], x, y, shape, middle(there, x))
    lined = sum(guide(out, g, x, y) for g in groups if g.first.kind == "reference")
    ring(out, [g for g in there if g.id == chosen], x, y)
    note(out, len(there) + lined, len(groups))
    axes(out, x, y)
    return styled(out, 460).update_layout(legend={"y": -0.2})


class Shape(NamedTuple):
    """How points of one kind look."""

    name: str
    tone: str
    symbol: str
    named: frozenset[str]  # which groups have their name beside them
    size: int = 10


def roomy(groups: Sequence[Group], x: Column, y: Column) -> frozenset[str]:
    """The groups whose names cover no other: references first, then ours; others tell on hover."""
    placed: dict[str, tuple[float, float]] = {}
    places = [(g.cell(x.key).mean, g.cell(y.key).mean) for g in groups]
    spans = [max(axis) - min(axis) or 1.0 for axis in zip(*places)]
    for g, place in sorted(zip(groups, places), key=lambda found: rank(found[0])):
        right, up = (value / span for value, span in zip(place, spans))
        if all(abs(right - a) > WIDE or abs(up - b) > TALL for a, b in placed.values()):
            placed[g.id] = (right, up)
    return frozenset(placed)


def rank(g: Group) -> int:
    return 0 if g.first.kind == "reference" else 1 if g.first.method.startswith("hfru") else 2


def middle(groups: Sequence[Group], x: Column) -> float:
    found = [g.cell(x.key).mean for g in groups]
    return (min(found) + max(found)) / 2


def points(
    out: go.Figure, groups: Sequence[Group], x: Column, y: Column, shape: Shape, middle: float
) -> None:
    """One kind of points, with a bar for each interval; names stand where there is room."""
    places = [g.cell(x.key).mean for g in groups]
    out.add_scatter(
        x=places,
        y=[g.cell(y.key).mean for g in groups],
        name=escape(shape.name),
        error_x=bars(groups, x, shape.tone),
        error_y=bars(groups, y, shape.tone),
        mode="markers+text",
        textfont={"size": 11},
        textposition=["top left" if place > middle else "top right" for place in places],
        text=[escape(g.first.label) if g.id in shape.named else "" for g in groups],
        marker={"color": f"rgb({shape.tone})", "symbol": shape.symbol, "size": shape.size},
        hovertext=[hover(g, x, y) for g in groups],
        hoverinfo="text",
    )


def bars(groups: Sequence[Group], column: Column, tone: str) -> dict[str, object]:
    """How far the intervals reach to both sides; nought where there is none."""
    found = [g.cell(column.key) for g in groups]
    up = [0 if c.high is None else max(0.0, c.high - c.mean) for c in found]
    down = [0 if c.low is None else max(0.0, c.mean - c.low) for c in found]
    return {
        "type": "data",
        "symmetric": False,
        "array": up,
        "arrayminus": down,
        "color": f"rgba({tone},.45)",
        "thickness": 1,
        "width": 3,
    }


def hover(g: Group, x: Column, y: Column) -> str:
    told = [f"<b>{escape(g.first.label)}</b>", escape(f"{g.first.scope} · {g.task} · {runs(g)}")]
    for column in (x, y):
        found = g.cell(column.key)
        spread = between(found, column)
        told.append(f"{column.label}: {column.text(found.mean)}" + f" ({spread})" * bool(spread))
    return "<br>".join(told)


def ring(out: go.Figure, chosen: Sequence[Group], x: Column, y: Column) -> None:
    """Around the row that is chosen in the table."""
    for g in chosen:
        out.add_scatter(
            x=[g.cell(x.key).mean],
            y=[g.cell(y.key).mean],
            mode="markers",
            hoverinfo="skip",
            name="chosen row",
            marker={"symbol": "circle-open", "size": 24, "color": "#5770bd", "line": {"width": 3}},
        )


def guide(out: go.Figure, g: Group, x: Column, y: Column) -> bool:
    """A line through a reference that has but one of the values: an oracle costs nothing here."""
    right, up = g.cell(x.key).mean, g.cell(y.key).mean
    if (right is None) == (up is None):
        return False
    place = {"y": up} if right is None else {"x": right}
    add = out.add_hline if right is None else out.add_vline
    add(
        **place,
        line={"dash": "dash", "width": 1, "color": f"rgb({PALE})"},
        annotation={"text": escape(g.first.label), "font": {"size": 11}},
        annotation_position="top left",
    )
    return True


def note(out: go.Figure, drawn: int, of: int) -> None:
    """How many rows lack one of the two values, so that none goes missing in silence."""
    if drawn < of:
        out.add_annotation(
            text=f"{of - drawn} of {of} rows have no value here",
            showarrow=False,
            x=1,
            y=1,
            xref="paper",
            yref="paper",
            xanchor="right",
            yanchor="bottom",
            font={"size": 11},
        )


def axes(out: go.Figure, x: Column, y: Column) -> None:
    out.update_layout(hovermode="closest")
    for column, update in ((x, out.update_xaxes), (y, out.update_yaxes)):
        share = column.unit == "share"
        unit = "" if share or column.unit == "steps" else f" ({column.unit})"
        title = {"text": f"{column.title}{unit}", "standoff": 6}
        update(title=title, tickformat=".0%" if share else None, automargin=True)
