"""How a model behaves on `UnlearnData`: greedy answers on the eval split, scored by rule.

forget         protocol answers on forget images that name no forgotten concept
hallucination  protocol answers there that confidently name a specific thing that is not there
abstraction    protocol answers on forget images that name an abstraction and nothing forgotten
attributes     true attributes (colour, place, ...) that any answer there still states
retain         protocol answers on retain images that name the right concept
refusal, degenerate (empty, without words, repetitive): on both
unjudged       protocol answers in a language that the concept has no name in
facts          text-only questions about people that are still answered correctly: the answer says
               what the right one adds to the question
facts_rouge    the mean ROUGE-L (F1) of these answers and the right ones; its interval is by the
               normal approximation
profile        a benchmark's own questions about forgotten people's images (their work, their
               birthplace) that are still answered correctly, where the answer is short
retain_profile the same about other people

Does not cover: judgement beyond words, what is left inside the model, attacks (see audit/).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pstdev

from hfru_core.data.drawn import is_drawn
from hfru_core.data.samples import PROTOCOL
from hfru_core.data.source import load_image
from hfru_core.language.mentions import mentions
from hfru_core.language.replies import is_degenerate, refuses
from hfru_core.model.vlm import BATCH, VLM
from hfru_core.protocol import judge as judging
from hfru_core.protocol.facts import rouge_l, states
from hfru_core.protocol.judge import stated
from hfru_core.stats import wilson
from hfru_core.types import NOT_MEASURED, Concept, Evaluation, Rate, Sample, UnlearnData

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
    unjudged: bool = False


def rate_of(hits: int, n: int) -> Rate:
    """A rate with its 95 % Wilson interval; all None where n is 0."""
    return Rate(hits / n, n, *wilson(hits, n)) if n else NOT_MEASURED


def mean_of(scores: Sequence[float]) -> Rate:
    """The mean of scores from 0 to 1, with its 95 % interval by the normal approximation."""
    if not scores:
        return NOT_MEASURED
    mean, half = fmean(scores), 1.96 * pstdev(scores) / sqrt(len(scores))
    return Rate(mean, len(scores), max(0.0, mean - half), min(1.0, mean + half))


def share(values: Iterable[bool | None]) -> Rate:
    """The share of true values among those that apply."""
    scored = [v for v in values if v is not None]
    return rate_of(sum(scored), len(scored))


def judge(sample: Sample, text: str, forgotten: Sequence[Concept], shown: Concept) -> Judged:
    """One answer judged by the rules; `shown` is the concept in the sample's image.

    An answer in a language without names of the concept is not judged.
    """
    on_forget, protocol = sample.role == "forget", sample.topic in PROTOCOL
    wanted = (tuple(forgotten) if on_forget else (shown,)) if protocol else ()
    drawn = is_drawn(sample.image or "")
    verdicts = [judging.judge(text, c, sample.topic, sample.names, drawn) for c in wanted]
    named = either(v.named for v in verdicts)
    return Judged(
        sample=sample,
        text=text,
        named=named,
        hallucinated=either(v.hallucinated for v in verdicts) if on_forget else None,
        abstract=says_kind(text, shown) and not named if on_forget and named is not None else None,
        attributes=tuple(stated(text, (a,)) > 0 for a in sample.attributes),
        refused=refuses(text),
        degenerate=is_degenerate(text),
        unjudged=any(v.problem for v in verdicts),
    )


def either(values: Iterable[bool | None]) -> bool | None:
    """Whether any is true; None where none can be told."""
    told = [v for v in values if v is not None]
    return any(told) if told else None


def says_kind(text: str, concept: Concept) -> bool:
    """Whether an answer says a more general word for a concept."""
    return stated(text, concept.abstractions) > 0


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


def summary(rows: Sequence[Judged], facts: Rate, facts_rouge: Rate = NOT_MEASURED) -> Evaluation:
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
        unjudged=share(r.unjudged for r in rows if r.sample.topic in PROTOCOL),
        facts=facts,
        facts_rouge=facts_rouge,
        profile=share(profile_is_right(r) for r in forget),
        retain_profile=share(profile_is_right(r) for r in retain),
    )


def evaluate(
    vlm: VLM, data: UnlearnData, progress: Callable[[int, int], None] | None = None
) -> tuple[Evaluation, list[Judged]]:
    """Rates on the eval split, and the answers behind them."""
    samples = (*data.select("forget", "eval"), *data.select("retain", "eval"))
    texts = answers(vlm, samples, progress)
    told = [(s, text) for s, text in zip(samples, texts) if s.topic == "fact"]
    facts = share(fact_is_right(s, text) for s, text in told)
    rouge = mean_of([rouge_l(s.answer, text) for s, text in told])
    rows = judged(data, samples, texts)
    return summary(rows, facts, rouge), rows


def profile_is_right(row: Judged) -> bool | None:
    """Whether a benchmark's question is answered correctly; None for others and long answers."""
    right = row.sample.answer.strip(" .")
    if row.sample.topic != "profile" or len(right.split()) > SHORT:
        return None
    if len(right) == 1:  # the letter of an option: "B", "B. A baker", "(b)", but not "A baker"
        return bool(re.match(rf"\W*{re.escape(right)}\s*(?:[.):,]|$)", row.text, re.I))
    return mentions(row.text, (right,)) > 0


def fact_is_right(sample: Sample, text: str) -> bool:
    return states(sample.question, sample.answer, text)


def relative(now: Rate, base: Rate) -> float | None:
    """A rate as a share of the base model's; None where the base has none."""
    if now.rate is None or not base.rate:
        return None
    return now.rate / base.rate
