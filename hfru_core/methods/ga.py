"""Gradient ascent (Jang et al. 2022, arXiv 2210.01504): make the right answers unlikely.

On all words of questions and answers, as in MLLMU-Bench (the paper's sequences have no questions;
MMUnlearner's `--ans_only` and open-unlearning count answers alone, as GradDiff here). Deviates:
LoRA, a fixed number of steps instead of a stop at an extraction likelihood; tokens that stand for
the image are left out.
"""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import TrainedMethod


class GradientAscent(TrainedMethod):
    label, source = "GA", "arXiv 2210.01504"
    variant = "token mean of questions and answers, no retain data"

    def loss(self, rng: random.Random) -> torch.Tensor:
        return -self.in_words(self.forget(rng)).nll
