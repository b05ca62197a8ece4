"""Gradient difference (as in TOFU, arXiv 2401.06121): ascend on forget, descend on retain."""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import TrainedMethod


class GradDiff(TrainedMethod):
    label, source = "GradDiff", "arXiv 2401.06121"
    variant = "weights 1 and 1"
    constants = {"gamma": 1.0, "alpha": 1.0}
    published = ("gamma", "alpha")

    def loss(self, rng: random.Random) -> torch.Tensor:
        forget, retain = self.nll(self.forget(rng)), self.nll(self.retain(rng))
        return -self.c["gamma"] * forget + self.c["alpha"] * retain
