"""The live curves of a session as Plotly figures."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hfru_core.config import UnlearnConfig
from hfru_core.types import StepEvent

# Okabe and Ito's colours: told apart by the colour-blind
COLOURS = {
    "forget": "#0072B2", "retain": "#E69F00", "abstraction": "#009E73", "attributes": "#CC79A7",
    "sibling": "#D55E00",
}  # fmt: skip
OTHER = ("#56B4E9", "#999999", "#8C6D31")
TITLES = {"forget": "forgotten", "retain": "kept", "abstraction": "abstracted",
          "attributes": "attributes", "sibling": "hallucinated"}  # fmt: skip
GREY = "#7c8798"
GRID = "rgba(124,135,152,.22)"


def reward_figure(events: Sequence[StepEvent], config: UnlearnConfig) -> go.Figure:
    """Reward parts of stage 2 as lines, the score of each check as a marker."""
    figure = go.Figure()
    names = list(dict.fromkeys(n for e in events for n in e.rewards))
    for i, name in enumerate(names):
        rows = [e for e in events if name in e.rewards]
        figure.add_scatter(
            x=[e.step for e in rows],
            y=[e.rewards[name] for e in rows],
            mode="lines",
            name=TITLES.get(name, name),
            line={"width": 2, "color": COLOURS.get(name, OTHER[i % len(OTHER)])},
        )
    checks = [e for e in events if e.score is not None and e.stage != "done"]
    figure.add_scatter(
        x=[e.step for e in checks],
        y=[e.score for e in checks],
        mode="lines+markers",
        name="check score",
        marker={"size": 9, "symbol": "diamond", "color": GREY},
        line={"dash": "dot", "width": 1, "color": GREY},
    )
    return styled(figure, config, "Rewards and checks")


def loss_figure(events: Sequence[StepEvent], config: UnlearnConfig) -> go.Figure:
    """Loss above, KL to the reference below."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1)
    steps = [e for e in events if e.stage != "done"]
    figure.add_scatter(
        x=[e.step for e in steps],
        y=[e.loss for e in steps],
        mode="lines",
        name="loss",
        line={"width": 2, "color": "#0072B2"},
        row=1,
        col=1,
    )
    rows = [e for e in steps if e.kl is not None]
    figure.add_scatter(
        x=[e.step for e in rows],
        y=[e.kl for e in rows],
        mode="lines",
        name="KL",
        line={"width": 2, "color": "#D55E00"},
        row=2,
        col=1,
    )
    return styled(figure, config, "Loss and KL")


def styled(figure: go.Figure, config: UnlearnConfig, title: str) -> go.Figure:
    """One look for light and dark pages; the two stages are shaded."""
    first = config.train_steps
    for begin, end, label, fill in (
        (0, first, "1 · disrupt", "rgba(124,135,152,.10)"),
        (first, config.steps, "2 · reinforce", "rgba(87,112,189,.12)"),
    ):
        if end > begin:
            figure.add_vrect(x0=begin, x1=end, fillcolor=fill, line_width=0, layer="below")
            figure.add_annotation(
                x=(begin + end) / 2,
                y=1.0,
                yref="paper",
                yanchor="bottom",
                text=label,
                showarrow=False,
                font={"size": 11, "color": GREY},
            )
    figure.update_layout(
        height=300,
        margin={"l": 42, "r": 12, "t": 58, "b": 34},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "IBM Plex Sans, sans-serif", "color": GREY},
        legend={"orientation": "h", "y": -0.14, "yanchor": "top", "font": {"size": 11}},
        hovermode="x unified",
        uirevision=title,
        showlegend=True,
        annotations=[
            *figure.layout.annotations,
            {
                "text": f"<b>{title}</b>",
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "yshift": 22,
                "showarrow": False,
                "font": {"size": 14},
            },
        ],
    )
    figure.update_xaxes(range=[0, config.steps], gridcolor=GRID, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True)
    return figure
