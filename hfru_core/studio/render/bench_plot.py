"""Any two columns of the benchmark against each other, as a Plotly figure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import plotly.graph_objects as go

from audit.report import plot_style as style
from hfru_core.bench.columns import Column
from hfru_core.bench.table import Group, between
from hfru_core.studio.render.bench_html import runs

# The symbol says the same as the colour.
SCOPES = {
    "encoder": (style.BLUE, "circle"), "encoder+projector": (style.GREEN, "square"),
    "decoder": (style.VERMILION, "triangle-up"), "all": (style.PURPLE, "diamond"),
}  # fmt: skip
OTHER = (style.BROWN, "pentagon")
REFERENCES = {"oracle": "star", "base": "x", "output-filter": "cross"}
WIDE, TALL = 0.2, 0.05  # what a name takes, as a share of the axes


class Shape(NamedTuple):
    """How points of one kind look."""

    name: str
    colour: str
    symbol: str
    named: frozenset[str]  # which groups have their name beside them
    size: int = 10


def scatter(groups: Sequence[Group], x: Column, y: Column, chosen: str = "") -> go.Figure:
    """Any two columns against each other; references have a shape of their own, and their name."""
    drawn = [g for g in groups if None not in (g.cell(x.key).mean, g.cell(y.key).mean)]
    methods = [g for g in drawn if g.first.kind == "method"]
    names = roomy(drawn, x, y)
    out = go.Figure()
    for scope in dict.fromkeys(g.first.scope for g in methods):
        colour, symbol = SCOPES.get(scope, OTHER)
        rows = [g for g in methods if g.first.scope == scope]
        shape = Shape(scope or "methods", colour, symbol, names)
        points(out, rows, x, y, shape, middle(drawn, x))
    for g in drawn:
        if g.first.kind == "reference":
            symbol = REFERENCES.get(g.first.method, "hexagon")
            shape = Shape(g.first.label, style.GREY, symbol, names, size=15)
            points(out, [g], x, y, shape, middle(drawn, x))
    lined = sum(guide(out, g, x, y) for g in groups if g.first.kind == "reference")
    ring(out, [g for g in drawn if g.id == chosen], x, y)
    note(out, len(drawn) + lined, len(groups))
    axes(out, x, y)
    return style.styled(out, 460).update_layout(legend={"y": -0.2})


def at(g: Group, column: Column) -> float:
    """Where a group lies on an axis; it has to have a value there."""
    mean = g.cell(column.key).mean
    assert mean is not None, f"{g.id} has no {column.key}"
    return mean


def roomy(groups: Sequence[Group], x: Column, y: Column) -> frozenset[str]:
    """The groups whose names cover no other: references first, then ours; others show on hover."""
    placed: dict[str, tuple[float, float]] = {}
    spans = [span([at(g, column) for g in groups]) for column in (x, y)]
    for g in sorted(groups, key=rank):
        right, up = at(g, x) / spans[0], at(g, y) / spans[1]
        if all(abs(right - a) > WIDE or abs(up - b) > TALL for a, b in placed.values()):
            placed[g.id] = (right, up)
    return frozenset(placed)


def span(values: Sequence[float]) -> float:
    """How far values reach; 1 where they are all the same."""
    return (max(values) - min(values) if values else 0.0) or 1.0


def rank(g: Group) -> int:
    return 0 if g.first.kind == "reference" else 1 if g.first.method.startswith("hfru") else 2


def middle(groups: Sequence[Group], x: Column) -> float:
    values = [at(g, x) for g in groups]
    return (min(values) + max(values)) / 2


def points(
    out: go.Figure, groups: Sequence[Group], x: Column, y: Column, shape: Shape, middle: float
) -> None:
    """One kind of points, with a bar for each interval; names stand where there is room."""
    right = [at(g, x) for g in groups]
    out.add_scatter(
        x=right,
        y=[at(g, y) for g in groups],
        name=escape(shape.name),
        error_x=bars(groups, x, shape.colour),
        error_y=bars(groups, y, shape.colour),
        mode="markers+text",
        textfont={"size": 11},
        textposition=["top left" if value > middle else "top right" for value in right],
        text=[escape(g.first.label) if g.id in shape.named else "" for g in groups],
        marker={"color": shape.colour, "symbol": shape.symbol, "size": shape.size},
        hovertext=[hover(g, x, y) for g in groups],
        hoverinfo="text",
    )


def bars(groups: Sequence[Group], column: Column, colour: str) -> dict[str, Any]:
    """How far the intervals reach to both sides; 0 where there is none."""
    cells = [(at(g, column), g.cell(column.key)) for g in groups]
    return {
        "type": "data",
        "symmetric": False,
        "array": [0 if c.high is None else max(0.0, c.high - mean) for mean, c in cells],
        "arrayminus": [0 if c.low is None else max(0.0, mean - c.low) for mean, c in cells],
        "color": style.faded(colour, 0.45),
        "thickness": 1,
        "width": 3,
    }


def hover(g: Group, x: Column, y: Column) -> str:
    lines = [f"<b>{escape(g.first.label)}</b>", escape(f"{g.first.scope} · {g.task} · {runs(g)}")]
    for column in (x, y):
        cell = g.cell(column.key)
        spread = between(cell, column)
        lines.append(f"{column.label}: {column.text(cell.mean)}" + f" ({spread})" * bool(spread))
    return "<br>".join(lines)


def ring(out: go.Figure, chosen: Sequence[Group], x: Column, y: Column) -> None:
    """Around the row that is chosen in the table."""
    for g in chosen:
        out.add_scatter(
            x=[at(g, x)],
            y=[at(g, y)],
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
        line={"dash": "dash", "width": 1, "color": style.GREY},
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
