"""A finding as a card: its meaning, bars with intervals, drawing, examples and limits."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from audit.base import Example, Finding, Interval
from audit.report.drawings import extent, scaled, svg
from audit.report.plots import COLOURS, maps, picture_uri
from audit.report.report import called, decision, number_text, short
from audit.report.samples import fails

SHOWN = 12


def card(f: Finding, number: int | None = None, drawn: bool = True, judged: int = 0) -> str:
    """One finding; `number` makes it a target of links, `judged` counts the samples behind it."""
    says = decision(f)
    name = f' id="f{number}"' if number is not None else ""
    parts = [
        f'<section class="finding"{name} data-says="{says}" data-channel="{f.channel}" '
        f'data-audit="{escape(f.audit)}"><h3>{escape(called(f))} '
        f'<span class="says {says.replace(" ", "-")}">{says}</span></h3>',
        bars(f),
        svg(f) if drawn else "",
        "" if maps(f) else examples(f),
        behind(number, judged) if judged else "",
        f'<p class="error">{escape(f.error)}</p>' if f.error else "",
        f"<p>{f.unscored} answers could not be judged by a rule.</p>" if f.unscored else "",
        f'<p class="note">{escape(f.note)}</p>' if f.note else "",
        "</section>",
    ]
    return "".join(parts)


def behind(number: int | None, judged: int) -> str:
    """The way to all samples of a finding."""
    return (
        f'<p class="note screen"><a href="#samples" data-finding="{number}">All {judged} judged '
        "samples</a></p>"
    )


def examples(f: Finding) -> str:
    """The images and answers behind the number, folded away on a screen."""
    if not f.examples:
        return ""
    rows = "".join(example(f, e) for e in f.examples[:SHOWN])
    heads = ("picture", "question", "base", "unlearned", "oracle")
    head = "".join(f'<th scope="col">{t}</th>' for t in heads)
    count = len(f.examples)
    told = f"{SHOWN} of {count} examples" if count > SHOWN else f"{count} examples"
    first = ", failures first" if f.examples[0].judged else ""
    return (
        f'<details><summary>{told}{first}</summary><div class="wide">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def example(f: Finding, e: Example) -> str:
    bad = f.kind != "info" and bool(e.judged) and fails(e.judged, f)
    cells = (
        f"<td>{escape(e.question)}</td><td>{escape(e.base)}</td>"
        f"<td{' class=fails' if bad else ''}>{escape(e.unlearned)}</td>"
        f"<td>{escape(e.oracle or '')}</td>"
    )
    return f"<tr><td>{picture(e.image)}</td>{cells}</tr>"


def picture(key: str | None) -> str:
    uri = picture_uri(key)
    return f'<img src="{uri}" alt="" loading="lazy">' if uri else ""


def meant(f: Finding) -> str:
    """The tooltip of a finding's numbers: what they are, and which way is better."""
    better = {"higher": "lower is better", "lower": "higher is better"}[f.direction]
    guess = f" Guessing gives {short(f.chance)}." if f.chance is not None else ""
    better = "for information" if f.kind == "info" else better
    return f"{f.name}; {better}. Value (95 % interval), n: observations.{guess} {f.note}".strip()


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
