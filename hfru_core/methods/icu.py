"""ICU (Tang et al. 2024, learn while unlearn; repository himalalps/ICU): iterative contrastive.

Ascend on what is still known, learn its nearest neighbours, stay close to the start model there; a
row that is forgotten takes its neighbour with it. Deviates: its sequences have no questions, so
here the answers are the sequences; a neighbour is the retained answer to the same kind of question
that shares most words; "still known" means that half of an answer's tokens are predicted, its
scores being made for long text.
"""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import TrainedMethod, kl, pool
from hfru_core.types import Sample


class ICU(TrainedMethod):
    label, source = "ICU", "repository himalalps/ICU"
    variant = "u 1, w 0.5, k 1; forgotten rows and their neighbours dropped in every batch"
    constants = {"u": 1.0, "w": 0.5, "k": 1.0, "known": 0.5}
    published = ("u", "w", "k")

    def prepare(self) -> None:
        self.near: dict[str, dict[frozenset[str], Sample]] = {}
        for s in pool(self.data, "retain", self.config):
            self.near.setdefault(s.topic, {}).setdefault(frozenset(s.answer.split()), s)

    def neighbour(self, sample: Sample) -> Sample:
        """The retained sample whose answer shares most words."""
        mine = frozenset(sample.answer.split())
        found = self.near.get(sample.topic) or next(iter(self.near.values()))
        return found[max(found, key=lambda words: len(words & mine) / len(words | mine))]

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        now = self.logits_of(rows)
        right = ((now.logits.argmax(-1) == now.ids) & now.mask).sum(1)
        known = right > self.c["known"] * now.length
        if not known.any():
            return 0.0 * now.nll
        away = now._replace(mask=now.mask & known[:, None]).nll
        learnt = [self.neighbour(s) for s, still in zip(rows, known.tolist()) if still]
        near = self.logits_of(learnt)
        close = kl(self.reference_logits(learnt), near)
        return -self.c["u"] * away + self.c["w"] * near.nll + self.c["k"] * close
