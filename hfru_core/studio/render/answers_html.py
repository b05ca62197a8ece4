"""Answers as HTML: everything is escaped; the words that decide whether it forgot are marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import NamedTuple

from PIL import Image

from hfru_core.data.drawn import is_drawn, picture_of
from hfru_core.data.images import data_uri
from hfru_core.data.source import load_image
from hfru_core.language.mentions import mentions
from hfru_core.protocol.answers import true_names
from hfru_core.protocol.judge import EXISTS, Found, Verdict, judge, wrong_names
from hfru_core.studio.i18n.catalogue import say
from hfru_core.types import Concept, Evaluation, ProbeAnswer, Rate

FIRST_WORD = re.compile(r"\w+")
# kind of word: the chip below an answer that has one
KINDS = {
    "abstract": "says the category",
    "forgotten": "says or confirms the name",
    "invented": "names something that is not there",
}
MEASURES = {
    "forget": ("Forgotten", "answers about pictures of the concept that do not name it", "up"),
    "hallucination": ("Hallucinated", "answers that name something that is not there", "down"),
    "abstraction": ("Abstracted", "answers that say the category instead of the name", "up"),
    "attributes": ("Attributes kept", "true colours, places and clothes still mentioned", "up"),
    "retain": ("Other things kept", "correct names for all other pictures", "up"),
    "facts": ("Text facts kept", "text-only questions answered as before", "up"),
    "profile": (
        "Profile answers",
        "short questions about forgotten people's lives answered correctly",
        "down",
    ),
    "retain_profile": ("Other profiles kept", "the same questions about other people", "up"),
    "refusal": ("Refusals", "answers that decline", "down"),
    "degenerate": ("Broken answers", "answers that are empty or repeat themselves", "down"),
}


class Mark(NamedTuple):
    """A stretch of an answer and the kind of word it is."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class Context:
    """What an answer is judged by: concepts, question, and the names that are in the picture.

    `present` is None where that is unknown (an uploaded picture).
    """

    forgotten: tuple[Concept, ...] = ()
    question: str = ""
    present: tuple[str, ...] | None = None


def present_names(key: str) -> tuple[str, ...] | None:
    """The names that are truly in a drawn picture; None for any other."""
    return true_names(picture_of(key)) if is_drawn(key) else None


def marks(text: str, context: Context) -> list[Mark]:
    """The marked words of an answer, in order, without overlaps; what it denies is not marked."""
    found: list[Mark] = []
    asked = [c for c in context.forgotten if mentions(context.question, c.aliases)]
    verdicts = [(c, judge(text, c, EXISTS if c in asked else "")) for c in context.forgotten]
    if any(v.yes for _, v in verdicts) and (first := FIRST_WORD.search(text)):
        found.append(Mark(*first.span(), "forgotten"))
    for kind in ("forgotten", "invented", "abstract"):
        for said in (evidence(text, c, v, kind, context.present) for c, v in verdicts):
            for f in said:
                if f.counts and not any(f.start < m.end and m.start < f.end for m in found):
                    found.append(Mark(f.start, f.end, kind))
    return sorted(found)


def evidence(
    text: str, concept: Concept, verdict: Verdict, kind: str, present: tuple[str, ...] | None
) -> tuple[Found, ...]:
    """The words of one kind; nothing is invented where nobody knows what is in the picture."""
    if kind == "forgotten":
        return verdict.names
    if kind == "abstract":
        return verdict.general
    return () if present is None else wrong_names(text, concept, present)


def marked(text: str, context: Context) -> str:
    """The answer as HTML, its deciding words marked."""
    parts, at = [], 0
    for mark in marks(text, context):
        name, tip = say(f"kind.{mark.kind}", "en"), say(f"kind.{mark.kind}.tip", "en")
        parts += [
            escape(text[at : mark.start]),
            f'<mark class="{mark.kind}" title="{escape(name)}: {escape(tip)}">'
            f"{escape(text[mark.start : mark.end])}</mark>",
        ]
        at = mark.end
    return "".join(parts) + escape(text[at:])


def unlearned_context(context: Context, original: str) -> Context:
    """For an unknown picture, what the original model names counts as being there."""
    if context.present is not None:
        return context
    named = tuple(s for c in context.forgotten for s in c.siblings if mentions(original, (s,)))
    return Context(context.forgotten, context.question, named)


def answer_cards(
    original: str, unlearned: str | None, context: Context, remark: str = "", misfit: str = ""
) -> str:
    """Both answers side by side; with a remark nothing is judged, `misfit` says why the adapter
    was not asked."""
    names = ", ".join(c.name for c in context.forgotten)
    judged = Context(question=context.question) if remark else context
    left = card("Original", "the model as it was", original, (), judged)
    if unlearned is None:
        hint = misfit or "Finish a session in the Unlearn tab, then compare here."
        right = card("Unlearned", "not asked" if misfit else "no adapter chosen", hint)
    else:
        same = [("same", "same answer as the original")] * (unlearned == original and not remark)
        after = judged if remark else unlearned_context(context, original)
        right = card("Unlearned", f"has forgotten: {names}", unlearned, same, after)
    return asked(context.question, f'{note(remark)}<div class="pair">{left}{right}</div>')


def unasked(question: str, remark: str) -> str:
    """Why nobody was asked."""
    return asked(question, note(remark))


def asked(question: str, body: str) -> str:
    head = f'<p class="asked">“{escape(question)}”</p>' if question else ""
    return f'<div class="answers">{head}{body}</div>'


def note(remark: str) -> str:
    return f'<p class="remark" role="note">{escape(remark)}</p>' if remark else ""


def verdicts(text: str, context: Context) -> list[tuple[str, str]]:
    """The chips below an answer: (kind, text)."""
    kinds = {m.kind for m in marks(text, context)}
    return [(kind, KINDS[kind]) for kind in KINDS if kind in kinds]


def card(
    title: str,
    subtitle: str,
    text: str,
    remarks: Iterable[tuple[str, str]] = (),
    context: Context | None = None,
) -> str:
    """One answer with chips that judge it; without a context the text is only a hint."""
    remarks = (*remarks, *(verdicts(text, context) if context else ()))
    chips = "".join(f'<span class="chip {kind}">{escape(t)}</span>' for kind, t in remarks)
    hint = f'<span class="none">{escape(text or "(no words)")}</span>'
    body = marked(text, context) if context and text else hint
    name = title.lower()
    ready = f' data-testid="{name}"' if context else ""
    return (
        f'<section class="card {name}">'
        f"<header><b>{title}</b><span>{escape(subtitle)}</span></header>"
        f'<p class="said"{ready} translate="no">{body}</p><footer>{chips}</footer></section>'
    )


def waiting_cards(language: str) -> str:
    """Placeholders for the answers while the model is being loaded."""
    pair = card("Original", "", say("compare.loading", language)) + card("Unlearned", "", " ")
    return f'<div class="answers"><p class="asked">&nbsp;</p><div class="pair">{pair}</div></div>'


def legend(language: str) -> str:
    """The three kinds of marked words, with tooltips."""
    items = "".join(
        f'<span title="{escape(say(f"kind.{kind}.tip", language))}">'
        f'<mark class="{kind}">{escape(say(f"kind.{kind}", language))}</mark></span>'
        for kind in KINDS
    )
    return f'<div class="legend" role="group" aria-label="{say("legend", language)}">{items}</div>'


def lead(language: str, key: str = "lead") -> str:
    """The line above the buttons that lead to the Unlearn tab, or above the photograph."""
    head, note = (say(f"{key}.{k}", language) for k in ("head", "note"))
    return f'<p class="lead-on"><b>{head}</b> <span>{note}</span></p>'


def thumbnail(key: str, size: int = 72) -> str:
    """A picture as a data URI; a visitor's own is not kept."""
    return kept_thumbnail(key, size) if is_drawn(key) else small(load_image(key), size)


@lru_cache(maxsize=512)
def kept_thumbnail(key: str, size: int) -> str:
    return small(load_image(key), size)


def small(image: Image.Image, size: int) -> str:
    image = image.copy()
    image.thumbnail((size, size))
    return data_uri(image)


def picture_tag(key: str) -> str:
    names = ", ".join(present_names(key) or ()) or "picture"
    return f'<img src="{thumbnail(key)}" alt="{escape(names)}" loading="lazy">'


def answer_table(rows: Sequence[tuple[ProbeAnswer, Context]], last: str = "Unlearned") -> str:
    """One row a picture: before and after, forget pictures first."""
    body = ""
    for probe, context in rows:
        role = "to forget" if probe.role == "forget" else "to keep"
        same = ' class="unchanged"' if probe.before == probe.now else ""
        body += (
            f"<tr{same}><td>{picture_tag(probe.image)}</td>"
            f'<td class="role {probe.role}">{role}</td>'
            f'<td translate="no">{marked(probe.before, context)}</td>'
            f'<td translate="no">{marked(probe.now, context)}</td></tr>'
        )
    return (
        '<table class="set"><thead><tr><th>Picture</th><th class="role"></th><th>Original</th>'
        f"<th>{escape(last)}</th></tr></thead><tbody>{body}</tbody></table>"
    )


def scrolling(table: str, name: str) -> str:
    """A table that scrolls within the page, by keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">{table}</div>'


def summary_table(before: Evaluation, after: Evaluation, note: str) -> str:
    """Every rate before and after, with its interval and n."""
    body = ""
    for name, (title, meaning, better) in MEASURES.items():
        was, now = getattr(before, name), getattr(after, name)
        if now.rate is None and was.rate is None:
            continue
        arrow, side = ("↑", "higher") if better == "up" else ("↓", "lower")
        tip = f"{title}: share of {meaning}; {side} is better"
        body += (
            f'<tr><th title="{tip}">{title} <i>{arrow}</i><small>{meaning}</small></th>'
            f'<td title="{tip}">{percent(was)}</td>'
            f'<td title="{tip}; below: its 95 % interval"><b>{percent(now)}</b>{interval(now)}</td>'
            f'<td title="How many answers the share is based on">{now.n}</td></tr>'
        )
    return (
        '<table class="rates"><thead><tr><th>Measure</th><th>Before</th>'
        "<th>After <span>95 % interval</span></th><th>Answers</th></tr></thead>"
        f"<tbody>{body}</tbody></table><p class='note'>{escape(note)}</p>"
    )


def percent(value: Rate) -> str:
    return "not measured" if value.rate is None else f"{value.rate:.0%}"


def interval(value: Rate) -> str:
    """The interval as text and as a small bar."""
    if value.low is None or value.high is None:
        return ""
    low, width = 100 * value.low, max(1.5, 100 * (value.high - value.low))
    return (
        f'<span class="range"><i style="left:{min(low, 98.5):.1f}%;width:{width:.1f}%"></i></span>'
        f"<small>{value.low:.0%} to {value.high:.0%}</small>"
    )
