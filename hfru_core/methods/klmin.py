"""KL minimisation (as in TOFU, arXiv 2401.06121): ascend on forget, stay close on retain.

The KL is the mean over all positions of retained sequences, questions and images included, as in
TOFU's and MLLMU-Bench's code. Deviates: padding, which they count too, is left out.
"""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import TrainedMethod


class KLMin(TrainedMethod):
    label, source = "KL-Min", "arXiv 2401.06121"
    variant = "one step for both terms, weight 1, KL at all positions"
    constants = {"alpha": 1.0}
    published = ("alpha",)

    def loss(self, rng: random.Random) -> torch.Tensor:
        return -self.nll(self.forget(rng)) + self.c["alpha"] * self.kl_everywhere(self.retain(rng))
