"""The live curves of a session as Plotly figures."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from audit.report import plot_style as style
from hfru_core.config import UnlearnConfig
from hfru_core.types import StepEvent

# reward: its colour and its name in the plot
REWARDS = {
    "forget": (style.BLUE, "forgotten"), "retain": (style.ORANGE, "kept"),
    "abstraction": (style.GREEN, "abstracted"), "attributes": (style.PURPLE, "attributes"),
    "sibling": (style.VERMILION, "hallucinated"),
}  # fmt: skip
OTHER = (style.SKY, "#999999", style.BROWN)


def reward_figure(events: Sequence[StepEvent], config: UnlearnConfig) -> go.Figure:
    """Reward parts of stage 2 as lines, the score of each check as a marker."""
    figure = go.Figure()
    for i, name in enumerate(dict.fromkeys(n for e in events for n in e.rewards)):
        rows = [e for e in events if name in e.rewards]
        colour, title = REWARDS.get(name, (OTHER[i % len(OTHER)], name))
        figure.add_scatter(
            x=[e.step for e in rows],
            y=[e.rewards[name] for e in rows],
            mode="lines",
            name=title,
            line={"width": 2, "color": colour},
        )
    checks = [e for e in events if e.score is not None and e.stage != "done"]
    figure.add_scatter(
        x=[e.step for e in checks],
        y=[e.score for e in checks],
        mode="lines+markers",
        name="check score",
        marker={"size": 9, "symbol": "diamond", "color": style.GREY},
        line={"dash": "dot", "width": 1, "color": style.GREY},
    )
    return with_stages(figure, config, "Rewards and checks")


def loss_figure(events: Sequence[StepEvent], config: UnlearnConfig) -> go.Figure:
    """Loss above, KL to the reference below."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1)
    steps = [e for e in events if e.stage != "done"]
    loss = [(e.step, e.loss) for e in steps]
    kl = [(e.step, e.kl) for e in steps if e.kl is not None]
    lines = ((loss, "loss", style.BLUE), (kl, "KL", style.VERMILION))
    for row, (points, name, colour) in enumerate(lines, 1):
        figure.add_scatter(
            x=[step for step, _ in points],
            y=[value for _, value in points],
            mode="lines",
            name=name,
            line={"width": 2, "color": colour},
            row=row,
            col=1,
        )
    return with_stages(figure, config, "Loss and KL")


def with_stages(figure: go.Figure, config: UnlearnConfig, title: str) -> go.Figure:
    """The finished plot: its title, the whole session on its axis, the two stages shaded."""
    first = config.train_steps
    shade(figure, 0, first, "1 · disrupt", style.faded(style.GREY, 0.10))
    shade(figure, first, config.steps, "2 · reinforce", "rgba(87,112,189,.12)")
    style.styled(figure, 300).update_layout(
        margin={"l": 42, "r": 12, "t": 58, "b": 34},
        legend={"y": -0.14, "font": {"size": 11}},
        hovermode="x unified",
        uirevision=title,
        showlegend=True,
    )
    figure.add_annotation(
        text=f"<b>{title}</b>",
        x=0,
        xref="paper",
        xanchor="left",
        y=1,
        yref="paper",
        yanchor="bottom",
        yshift=22,
        showarrow=False,
        font={"size": 14},
    )
    figure.update_yaxes(automargin=True)
    return figure.update_xaxes(range=[0, config.steps], automargin=True)


def shade(figure: go.Figure, begin: int, end: int, label: str, fill: str) -> None:
    """The steps of a stage, where there are any."""
    if end <= begin:
        return
    figure.add_vrect(x0=begin, x1=end, fillcolor=fill, line_width=0, layer="below")
    figure.add_annotation(
        x=(begin + end) / 2,
        y=1.0,
        yref="paper",
        yanchor="bottom",
        text=label,
        showarrow=False,
        font={"size": 11, "color": style.GREY},
    )
