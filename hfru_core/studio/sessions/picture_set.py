"""The answers of both models to one kind of question about a whole set of pictures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import parse_source
from hfru_core.studio.render import answers_html
from hfru_core.studio.sessions.adapters import content, forgotten
from hfru_core.studio.sessions.models import base_model, unlearned_model
from hfru_core.types import ProbeAnswer

SET = Amount(0, 0, 12, 12)
ONE = Amount(0, 0, 1, 0)
COUNTED = "of the answers, by the original and by the unlearned model"
TALLY = (
    ("says the name", "forget", "named", "forgotten",
     f"Answers about pictures to forget that say the name: how many {COUNTED}; lower is better"),
    ("says the category", "forget", "abstract", "abstract",
     f"Answers that say what it is in general: how many {COUNTED}; higher is better"),
    ("makes up a name", "forget", "hallucinated", "invented",
     f"Answers that name what is not there: how many {COUNTED}; lower is better"),
    ("other things still named correctly", "retain", "named", "same",
     f"Answers about all other pictures that say the correct name: how many {COUNTED}; "
     "higher is better"),
)  # fmt: skip


def set_of_answers(model: Path, folder: Path, topic: str, source: str = "world") -> str:
    """The table for one adapter and topic, as HTML; made once for what the adapter holds, but a
    visitor's own pictures are not kept in memory."""
    if source != "world":
        return table(model, folder, topic, source)
    return made_once(model, folder, content(folder), topic)


@lru_cache(maxsize=128)
def made_once(model: Path, folder: Path, content: str, topic: str) -> str:
    return table(model, folder, topic, "world")


def table(model: Path, folder: Path, topic: str, source: str) -> str:
    """Both models' answers about pictures of a source, with a tally."""
    from hfru_core.studio.sessions.torch_side import evaluate

    concepts = forgotten(folder)
    request = build(concepts, parse_source(source), amount=SET, seed=1)
    samples = [s for s in request.samples if s.topic == topic]
    before = evaluate.answers(base_model(model), samples)
    after = evaluate.answers(unlearned_model(model, folder), samples)
    rows = [
        (
            ProbeAnswer(s.image or "", s.question, was, now, s.role),
            answers_html.Context(concepts, s.question, s.names),
        )
        for s, was, now in zip(samples, before, after)
    ]
    judged = [evaluate.judged(request, samples, said) for said in (before, after)]
    answers = answers_html.answer_table(rows)
    return tally(*judged) + answers_html.scrolling(answers, "Answers to every picture")


def one_of(folder: Path, source: str) -> str:
    """The key of one picture of what an adapter forgot, from a source, which it was not taught."""
    request = build(forgotten(folder), parse_source(source), amount=ONE, seed=1)
    return next(s.image for s in request.samples if s.image and s.role == "forget")


def tally(before: list, after: list) -> str:
    """How many of the answers did what, before and after."""

    def counts(role: str, what: str) -> str:
        of_role = ([r for r in rows if r.sample.role == role] for rows in (before, after))
        was, now = ([v for r in rows if (v := getattr(r, what)) is not None] for rows in of_role)
        return f"{sum(was)} → {sum(now)} of {len(now)}"

    chips = " ".join(
        f'<span class="chip {kind}" title="{tip}">{what}: <b>{counts(role, field)}</b></span>'
        for what, role, field, kind, tip in TALLY
    )
    return f'<p class="tally">{chips}</p>'
