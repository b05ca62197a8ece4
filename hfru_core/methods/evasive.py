"""Evasive answers (Chen et al. 2024, arXiv 2404.16841): away from bad answers, towards evasion.

The paper's losses are not public; this is the nearest form to its description: ascent on the
answer, descent on an evasive one, KL to the start model elsewhere. Weights are ours.
"""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import TrainedMethod


class Evasive(TrainedMethod):
    label, source = "Evasive", "arXiv 2404.16841"
    variant = "nearest form: ascent, evasive NLL, KL on retain"
    constants = {"bad": 0.1, "evasive": 1.0, "keep": 1.0}

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        away, towards = -self.nll(rows), self.nll(rows, self.idk(rows, rng))
        kept = self.kl(self.retain(rng))
        return self.c["bad"] * away + self.c["evasive"] * towards + self.c["keep"] * kept
