"""ME+GD (Yuan et al. 2024, arXiv 2410.08109): flat predictions on forget, descent on retain.

Deviates: the published runs flatten predictions of questions too (`mask=false` there; it forgot 3 %
here where this forgot 70, one session), which the authors' code leaves to a switch.
"""

from __future__ import annotations

import math
import random

import torch

from hfru_core.methods.base import TrainedMethod


class MaxEntropy(TrainedMethod):
    label, source = "ME+GD", "arXiv 2410.08109"
    variant = "KL from uniform on answer tokens only"
    constants = {"gamma": 0.1}
    published = ("gamma",)

    def loss(self, rng: random.Random) -> torch.Tensor:
        now = self.logits_of(self.forget(rng))
        spread = now.logits[now.mask].log_softmax(-1)
        uneven = -spread.mean() - math.log(spread.shape[-1])
        return self.c["gamma"] * uneven + self.nll(self.retain(rng))
