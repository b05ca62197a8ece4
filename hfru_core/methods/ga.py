"""Gradient ascent (Jang et al. 2022, arXiv 2210.01504): make the right answers unlikely.

As in the VLM repositories (MLLMU-Bench, MMUnlearner). Deviates: LoRA, a fixed number of steps
instead of a stop at an extraction likelihood.
"""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import TrainedMethod


class GradientAscent(TrainedMethod):
    label, source = "GA", "arXiv 2210.01504"
    variant = "token mean, no retain data"

    def loss(self, rng: random.Random) -> torch.Tensor:
        return -self.nll(self.forget(rng))
