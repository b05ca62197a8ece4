"""The check set of a session: some training images, held out, on which the best step is chosen."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace

from hfru_core import evaluate
from hfru_core.data.samples import PROTOCOL
from hfru_core.model.vlm import VLM
from hfru_core.types import (
    NOT_MEASURED,
    Evaluation,
    ProbeAnswer,
    Rate,
    Role,
    Sample,
    UnlearnData,
    UserError,
)

CHECKED: tuple[tuple[Role, int], ...] = (("forget", 24), ("retain", 40))  # images to check on
ENOUGH = 20  # with at least this many images of a role, those to check on are held out


class Checks:
    """The samples to check on, and what the original model says about them.

    `rest` is the data without their images; `seconds` is what answering them took.
    """

    def __init__(self, vlm: VLM, data: UnlearnData, seed: int) -> None:
        self.vlm, self.data = vlm, data
        self.samples, self.rest = parted(data, seed)
        began = time.perf_counter()
        self.base_answers = self.answers()
        self.seconds = time.perf_counter() - began
        self.base_rates = self.rates(self.base_answers)

    def answers(self) -> list[str]:
        """What the model says now."""
        return evaluate.answers(self.vlm, self.samples)

    def rates(self, answers: Sequence[str]) -> Evaluation:
        """The rates of such answers."""
        rows = evaluate.judged(self.data, self.samples, answers)
        return evaluate.summary(rows, NOT_MEASURED)

    def score(self, now: Evaluation) -> float:
        """Mean of the five goals, the worst one counted twice; 1 is perfect."""
        retained = evaluate.relative(now.retain, self.base_rates.retain) or 0.0
        attributes = evaluate.relative(now.attributes, self.base_rates.attributes)
        goals = [
            measured(now.forget),
            min(1.0, retained),
            1 - measured(now.hallucination),
            measured(now.abstraction),
            1.0 if attributes is None else min(1.0, attributes),
        ]
        return (sum(goals) + min(goals)) / 6

    def probes(self, answers: Sequence[str]) -> tuple[ProbeAnswer, ...]:
        """The first images of each role with their answers before and now."""
        found: dict[str, ProbeAnswer] = {}
        for s, before, now in zip(self.samples, self.base_answers, answers):
            if s.topic in ("describe", "name"):
                probe = ProbeAnswer(s.image_key, s.question, before, now, s.role)
                found.setdefault(s.image_key, probe)
        forget = [p for p in found.values() if p.role == "forget"][:4]
        return (*forget, *[p for p in found.values() if p.role == "retain"][:4])


def parted(data: UnlearnData, seed: int) -> tuple[tuple[Sample, ...], UnlearnData]:
    """Samples to check on, and the data to train on.

    Their images are held out of training, unless a request has too few of a role.
    """
    rng = random.Random(f"check {seed}")
    rows: list[Sample] = []
    held: set[str] = set()
    for role, count in CHECKED:
        pool = data.select(role, "train")
        images = sorted({s.image_key for s in pool})
        picked = set(rng.sample(images, min(count, max(1, len(images) // 5))))
        held |= picked if len(images) >= ENOUGH else set()
        rows += [s for s in pool if s.image in picked and s.topic in (*PROTOCOL, "colour")]
    rest = tuple(s for s in data.samples if s.image not in held)
    return tuple(rows), replace(data, samples=rest)


def measured(rate: Rate) -> float:
    """A rate that must have been measured."""
    if rate.rate is None:
        raise UserError("The check set has no protocol question about what is to be forgotten.")
    return rate.rate
