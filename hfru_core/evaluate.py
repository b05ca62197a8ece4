"""How a model behaves on `UnlearnData`: greedy answers on the eval split, scored by rule.

forget         protocol answers on forget images that name no forgotten concept
hallucination  protocol answers there that confidently name a specific thing that is not there
abstraction    protocol answers on forget images that name an abstraction and nothing forgotten
attributes     true attributes (colour, place, ...) that any answer there still states
retain         protocol answers on retain images that name the right concept
refusal, degenerate (empty, without words, repetitive): on both
facts          text-only questions about people that are still answered correctly
profile        a benchmark's own questions about forgotten people's images (their work, their
               birthplace) that are still answered correctly, where the answer is short
retain_profile the same about other people

Does not cover: judgement beyond words, what is left inside the model, attacks (see audit/).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hfru_core import concepts as words
from hfru_core.data.samples import PROTOCOL
from hfru_core.data.source import load_image
from hfru_core.model.vlm import BATCH, VLM
from hfru_core.stats import wilson
from hfru_core.types import NOT_MEASURED, Concept, Evaluation, Rate, Sample, UnlearnData

REFUSAL = re.compile(
    r"\b(?:sorry|I (?:can't|cannot|won't|am unable to|am not able to) "
    r"(?:help|answer|say|assist|do|discuss)|I'd rather not)\b"
    # Nothing but that: "someone I don't know" is an honest answer about a stranger.
    r"|^I (?:do not|don't|can't|cannot) (?:know|tell)(?: what it is)?\W*$",
    re.I,
)

SHORT = 4  # words of an expected answer that can be searched for in a model's answer


@dataclass(frozen=True)
class Judged:
    """One answer and its verdict by each rule; None where a rule does not apply."""

    sample: Sample
    text: str
    named: bool | None
    hallucinated: bool | None
    abstract: bool | None
    attributes: tuple[bool, ...]
    refused: bool
    degenerate: bool


def rate_of(hits: int, n: int) -> Rate:
    """A rate with its 95 % Wilson interval; all None where n is 0."""
    return Rate(hits / n, n, *wilson(hits, n)) if n else NOT_MEASURED


def share(values: Iterable[bool | None]) -> Rate:
    """The share of true values among those that apply."""
    scored = [v for v in values if v is not None]
    return rate_of(sum(scored), len(scored))


def is_degenerate(text: str) -> bool:
    """Empty, without letters, or a word or phrase four times in a row."""
    tokens = re.findall(r"[^\W\d_]+", text.lower())
    if not tokens:
        return True
    for size in (1, 2, 3):
        for i in range(len(tokens) - 4 * size + 1):
            piece = tokens[i : i + size]
            if all(tokens[i + k * size : i + (k + 1) * size] == piece for k in range(4)):
                return True
    return False


def judge(sample: Sample, text: str, forgotten: Sequence[Concept], shown: Concept) -> Judged:
    """One answer judged by the rules; `shown` is the concept in the sample's image."""
    on_forget, protocol = sample.role == "forget", sample.topic in PROTOCOL
    named = wrong = None
    if protocol and on_forget:
        named = any(words.names_concept(text, c, sample.topic) for c in forgotten)
        wrong = any(words.wrong_names(text, c, sample.names) for c in forgotten)
    elif protocol:
        named = words.names_concept(text, shown, sample.topic) > 0
    abstract = words.mentions(text, shown.abstractions) > 0 and not named
    return Judged(
        sample=sample,
        text=text,
        named=named,
        hallucinated=wrong,
        abstract=abstract if on_forget and protocol else None,
        attributes=tuple(words.mentions(text, (a,)) > 0 for a in sample.attributes),
        refused=bool(REFUSAL.search(text)),
        degenerate=is_degenerate(text),
    )


def answers(
    vlm: VLM, samples: Sequence[Sample], progress: Callable[[int, int], None] | None = None
) -> list[str]:
    """Greedy answers to every sample, in order."""
    texts: list[str] = []
    for i in range(0, len(samples), 4 * BATCH):
        part = samples[i : i + 4 * BATCH]
        images = [load_image(s.image) if s.image else None for s in part]
        texts += vlm.answer(images, [s.question for s in part])
        if progress:
            progress(len(texts), len(samples))
    return texts


def judged(data: UnlearnData, samples: Sequence[Sample], texts: Sequence[str]) -> list[Judged]:
    """Every answer judged by the rules; text-only facts are left out."""
    by_id = {c.id: c for c in (*data.concepts, *data.retained)}
    return [
        judge(s, text, data.concepts, by_id[s.concept_id])
        for s, text in zip(samples, texts)
        if s.topic != "fact"
    ]


def summary(rows: Sequence[Judged], facts: Rate) -> Evaluation:
    """The rates of judged answers."""
    forget = [r for r in rows if r.sample.role == "forget"]
    retain = [r for r in rows if r.sample.role == "retain"]
    return Evaluation(
        forget=share(None if r.named is None else not r.named for r in forget),
        retain=share(r.named for r in retain),
        hallucination=share(r.hallucinated for r in forget),
        abstraction=share(r.abstract for r in forget),
        attributes=share(hit for r in forget for hit in r.attributes),
        refusal=share(r.refused for r in rows),
        degenerate=share(r.degenerate for r in rows),
        facts=facts,
        profile=share(profile_is_right(r) for r in forget),
        retain_profile=share(profile_is_right(r) for r in retain),
    )


def evaluate(
    vlm: VLM, data: UnlearnData, progress: Callable[[int, int], None] | None = None
) -> tuple[Evaluation, list[Judged]]:
    """Rates on the eval split, and the answers behind them."""
    samples = (*data.select("forget", "eval"), *data.select("retain", "eval"))
    texts = answers(vlm, samples, progress)
    facts = share(fact_is_right(s, text) for s, text in zip(samples, texts) if s.topic == "fact")
    rows = judged(data, samples, texts)
    return summary(rows, facts), rows


def profile_is_right(row: Judged) -> bool | None:
    """Whether a benchmark's question is answered correctly; None for others and long answers."""
    right = row.sample.answer.strip(" .")
    if row.sample.topic != "profile" or len(right.split()) > SHORT:
        return None
    if len(right) == 1:  # the letter of an option: "B", "B. A baker", "(b)", but not "A baker"
        return bool(re.match(rf"\W*{re.escape(right)}\s*(?:[.):,]|$)", row.text, re.I))
    return words.mentions(row.text, (right,)) > 0


def fact_is_right(sample: Sample, text: str) -> bool:
    return text.strip().lower() == sample.answer.lower()


def relative(now: Rate, base: Rate) -> float | None:
    """A rate as a share of the base model's; None where the base has none."""
    if now.rate is None or not base.rate:
        return None
    return now.rate / base.rate
