"""The palette and the look of every plot, in the audit and in the app."""

from __future__ import annotations

import plotly.graph_objects as go


def faded(colour: str, opacity: float) -> str:
    """A colour such as '#7c8798' as 'rgba(...)'."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgba({red},{green},{blue},{opacity:g})"


# Okabe and Ito's colours, which the colour-blind can tell apart.
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#e69f00", "#009e73", "#cc79a7"
VERMILION, SKY, BROWN, GREY = "#d55e00", "#56b4e9", "#8c6d31", "#7c8798"
GRID = {"gridcolor": faded(GREY, 0.22), "zeroline": False}


def styled(figure: go.Figure, height: int) -> go.Figure:
    """One look for light and dark pages, and no button that sends the figure anywhere."""
    figure.update_layout(
        height=height,
        margin={"l": 40, "r": 16, "t": 36, "b": 36},
        font={"family": "IBM Plex Sans, sans-serif", "color": GREY},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": -0.12, "yanchor": "top"},
        modebar={"remove": ["sendDataToCloud", "select2d", "lasso2d"]},
    )
    return figure.update_xaxes(**GRID).update_yaxes(**GRID)
