"""Refusal tuning: teach "I don't know" for what is to be forgotten.

IdkNLL and IdkPO (DPO): Maini et al. 2024, arXiv 2401.06121, scaled as in open-unlearning.
IdkNLL has two means as IDK+GD of Yuan et al. has; TOFU's own is one mean over both kinds of rows.
IDK+AP: Yuan et al. 2024, arXiv 2410.08109: answers to the rest preferred to refusals. Deviates: the
refusals are in the bundled model's words.
"""

from __future__ import annotations

import random

import torch
from torch.nn.functional import logsigmoid

from hfru_core.methods.base import TrainedMethod


class IdkNLL(TrainedMethod):
    label, source = "IdkNLL", "arXiv 2401.06121"
    variant = "a refusal drawn from a list, retain NLL"
    constants = {"alpha": 1.0}
    published = ("alpha",)

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        refused = self.nll(rows, self.idk(rows, rng))
        return refused + self.c["alpha"] * self.nll(self.retain(rng))


class IdkPO(TrainedMethod):
    label, source = "IdkPO", "arXiv 2401.06121"
    variant = "DPO of a refusal over the right answer, scaled by 2/beta, retain NLL"
    constants = {"beta": 0.1, "alpha": 1.0}
    published = ("beta", "alpha")

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, beta = self.forget(rng), self.c["beta"]
        no = self.idk(rows, rng)
        won = self.logits_of(rows, no).logp - self.reference_logits(rows, no).logp
        lost = self.logits_of(rows).logp - self.reference_logits(rows).logp
        preferred = -2 / beta * logsigmoid(beta * (won - lost)).mean()
        return preferred + self.c["alpha"] * self.nll(self.retain(rng))


class IdkAP(TrainedMethod):
    label, source = "IDK+AP", "arXiv 2410.08109"
    variant = "refusal NLL, answer preservation on retain"
    constants = {"beta": 0.1}
    published = ("beta",)

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, kept, beta = self.forget(rng), self.retain(rng), self.c["beta"]
        gap = self.logits_of(kept).logp - self.logits_of(kept, self.idk(kept, rng)).logp
        return self.nll(rows, self.idk(rows, rng)) - logsigmoid(beta * gap).mean() / beta
