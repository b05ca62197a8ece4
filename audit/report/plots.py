"""A finding's series sorted by what they draw, and Plotly figures of them for the app."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from html import escape  # Plotly reads <b> and <a href> in every text
from math import isqrt

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from audit.base import ARROW, Example, Finding, Series
from audit.report.plot_style import (
    BLUE,
    BROWN,
    GREEN,
    GREY,
    PURPLE,
    SKY,
    VERMILION,
    faded,
    styled,
)
from hfru_core.concepts import shipped
from hfru_core.data.images import data_uri
from hfru_core.data.source import load_image
from hfru_core.protocol.judge import names as names_concept
from hfru_core.types import UserError

Patches = dict[str, tuple[float | None, ...]]  # by model, row by row
DATA_URI = re.compile(r"data:image/(?:png|webp|jpeg);base64,[A-Za-z0-9+/]+=*")
COLOURS = {"base": GREY, "unlearned": VERMILION, "oracle": BLUE}
OTHER = (GREEN, PURPLE, BROWN, SKY)
ROLES = {"forget": VERMILION, "retain": GREY, "abstraction": GREEN}
FILTERS = (
    "all",
    "forgotten",
    "retained",
    "correctly forgotten",
    "not forgotten",
    "overly forgotten",
)


def curves(f: Finding) -> list[Series]:
    """The curves of more than one value."""
    return [s for s in f.series if s.kind == "curve" and len(s.x) > 1]


def flows(f: Finding) -> list[tuple[str, str, float]]:
    """(from, to, answers) of a substitution flow."""
    found = []
    for s in f.series:
        start, arrow, end = s.name.partition(ARROW)
        if s.kind == "flow" and arrow and s.x:
            found.append((start, end, s.x[0]))
    return found


def calls(f: Finding) -> dict[str, dict[str, list[tuple[str, int]]]]:
    """By class and model, what it is called how often, most often first."""
    found: dict[str, dict[str, list[tuple[str, int]]]] = {}
    for s in f.series:
        start, arrow, name = s.name.partition(ARROW)
        if s.kind == "calls" and arrow and s.x:
            model, _, own = start.partition(" ")
            found.setdefault(own, {}).setdefault(model, []).append((name, round(s.x[0])))
    return found


def maps(f: Finding) -> dict[str, Series]:
    """Points by model."""
    return {s.name.removeprefix("map "): s for s in f.series if s.kind == "points"}


def heat(f: Finding) -> dict[str, Patches]:
    """Patch values by image and model."""
    out: dict[str, Patches] = defaultdict(dict)
    for s in f.series:
        model, _, key = s.name.removeprefix("map ").partition(" ")
        if s.kind == "heat":
            out[key][model] = s.y
    return dict(out)


def role_of(e: Example) -> str:
    """The role in a point's label, such as 'forget: dog'."""
    return e.question.split(":")[0]


def passes(e: Example, shown: str) -> bool:
    """Whether a point belongs to one of FILTERS; the last three need the models' answers."""
    role, _, concept = e.question.partition(": ")
    known = shipped().get(concept.strip())
    named = lambda text: known is not None and names_concept(text, known, "name") > 0  # noqa: E731
    kept, was = named(e.unlearned), named(e.base)
    return {
        "all": True,
        "forgotten": role == "forget",
        "retained": role == "retain",
        "correctly forgotten": role == "forget" and bool(e.unlearned) and not kept,
        "not forgotten": role == "forget" and kept,
        "overly forgotten": role == "retain" and was and not kept,
    }[shown]


def colour(name: str, i: int) -> str:
    return COLOURS.get(name, OTHER[i % len(OTHER)])


# Plotly, for the app


def figure(f: Finding, shown: str = "all", picked: int | None = None) -> go.Figure | None:
    """The drawing of a finding's series; None where there is nothing to draw.

    `shown` is one of FILTERS and `picked` the number of a point to ring, on maps only.
    """
    if flows(f):
        return sankey(f)
    if maps(f):
        return scatter(f, shown, picked)
    if heat(f):
        return heat_maps(f)
    return lines(f) if curves(f) else None


def lines(f: Finding) -> go.Figure:
    out = go.Figure()
    for i, s in enumerate(curves(f)):
        out.add_scatter(
            x=s.x,
            y=s.y,
            name=escape(s.name),
            mode="lines+markers",
            line={"color": colour(s.name, i), "width": 2},
        )
    if f.chance is not None:
        out.add_hline(y=f.chance, line={"dash": "dash", "width": 1, "color": GREY})
    return styled(out, 320)


def sankey(f: Finding) -> go.Figure:
    """The base model's answers on the left, the unlearned model's on the right."""
    found = flows(f)
    left = list(dict.fromkeys(a for a, _, _ in found))
    right = list(dict.fromkeys(b for _, b, _ in found))
    link = {
        "source": [left.index(a) for a, _, _ in found],
        "target": [len(left) + right.index(b) for _, b, _ in found],
        "value": [n for _, _, n in found],
        "color": faded(GREY, 0.35),
    }
    tones = [COLOURS["base"]] * len(left) + [COLOURS["unlearned"]] * len(right)
    node = {"label": [escape(n) for n in left + right], "pad": 12, "color": tones}
    return styled(go.Figure(go.Sankey(node=node, link=link)), 380)


def scatter(f: Finding, shown: str, picked: int | None) -> go.Figure:
    """One map per model on the same axes; a group is switched in all of them at once."""
    found = maps(f)
    out = make_subplots(
        1,
        len(found),
        subplot_titles=[escape(name) for name in found],
        shared_xaxes="all",
        shared_yaxes="all",
        horizontal_spacing=0.03,
    )
    kept = [i for i, e in enumerate(f.examples) if passes(e, shown)]
    for column, s in enumerate(found.values(), 1):
        for role, tone in ROLES.items():
            rows = [i for i in kept if role_of(f.examples[i]) == role]
            marker = {
                "color": tone,
                "size": [16 if i == picked else 7 for i in rows],
                "line": {"width": [3 if i == picked else 0 for i in rows], "color": "#171e36"},
            }
            out.add_scatter(
                x=[s.x[i] for i in rows],
                y=[s.y[i] for i in rows],
                mode="markers",
                name=role,
                legendgroup=role,
                showlegend=column == 1,
                marker=marker,
                text=[escape(f"{i}: {f.examples[i].question}") for i in rows],
                hoverinfo="text",
                row=1,
                col=column,
            )
    return styled(out, 380)


def heat_maps(f: Finding) -> go.Figure:
    """Every image below the map of each model; one colour scale per image."""
    found = heat(f)
    models = list(next(iter(found.values())))
    out = make_subplots(
        len(found),
        len(models),
        column_titles=[escape(m) for m in models],
        horizontal_spacing=0.02,
        vertical_spacing=0.02,
    )
    for row, (key, values) in enumerate(found.items(), 1):
        top, uri = top_of(values), picture_uri(key, 160)
        for column, model in enumerate(models, 1):
            grid = squared(values[model])
            out.add_heatmap(
                z=grid,
                zmin=0,
                zmax=top,
                opacity=0.55,
                showscale=False,
                colorscale="Inferno",
                row=row,
                col=column,
            )
            side = len(grid)
            if uri:
                out.add_layout_image(
                    source=uri,
                    x=-0.5,
                    y=-0.5,
                    sizex=side,
                    sizey=side,
                    xanchor="left",
                    yanchor="top",
                    sizing="stretch",
                    layer="below",
                    row=row,
                    col=column,
                )
    out.update_xaxes(visible=False)
    out.update_yaxes(visible=False, autorange="reversed")
    return styled(out, 60 + 190 * len(found))


def squared(values: Sequence[float | None]) -> list[list[float | None]]:
    """Patches row by row as a square."""
    side = isqrt(len(values))
    return [list(values[i * side : (i + 1) * side]) for i in range(side)]


def top_of(values: Patches) -> float:
    """The largest patch value of any model, as the end of a colour scale."""
    return max((v for row in values.values() for v in row if v is not None), default=0.0) or 1.0


def picture_uri(key: str | None, size: int = 96) -> str:
    """An image as a data URI; empty where it no longer exists."""
    if key is None or DATA_URI.fullmatch(key):
        return key or ""
    return drawn_uri(key, size)


@lru_cache(maxsize=512)
def drawn_uri(key: str, size: int) -> str:
    try:
        image = load_image(key).copy()
    except UserError:
        return ""
    image.thumbnail((size, size))
    return data_uri(image)
