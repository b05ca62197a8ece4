"""Negative preference optimisation, with and without a reference model.

NPO: Zhang et al. 2024, arXiv 2404.05868, sums of log-probabilities against the start model
(open-unlearning), not the VLM repositories' variant, whose reference was trained on retain data.
SimNPO: Fan et al. 2024, arXiv 2410.07163, mean log-probabilities, no reference.
"""

from __future__ import annotations

import random

import torch
from torch.nn.functional import logsigmoid

from hfru_core.methods.base import TrainedMethod


class NPO(TrainedMethod):
    label, source = "NPO", "arXiv 2404.05868"
    variant = "sum of log-probabilities against the start model, retain NLL"
    constants = {"beta": 0.1, "alpha": 1.0}
    published = ("beta", "alpha")

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, beta = self.forget(rng), self.c["beta"]
        ratio = self.logits_of(rows).logp - self.reference_logits(rows).logp
        pushed = -2 / beta * logsigmoid(-beta * ratio).mean()
        return pushed + self.c["alpha"] * self.nll(self.retain(rng))


class SimNPO(TrainedMethod):
    label, source = "SimNPO", "arXiv 2410.07163"
    variant = "mean log-probability, no reference (TOFU forget05)"
    constants = {"beta": 2.5, "delta": 0.0, "gamma": 0.1375, "alpha": 1.0}
    published = ("beta", "delta", "gamma", "alpha")
    changes = {"lr": 8e-3}

    def loss(self, rng: random.Random) -> torch.Tensor:
        now, beta = self.logits_of(self.forget(rng)), self.c["beta"]
        mean = now.logp / now.length
        pushed = -2 / beta * logsigmoid(-beta * (mean + self.c["delta"])).mean()
        return self.c["gamma"] * pushed + self.c["alpha"] * self.nll(self.retain(rng))
