"""UNDIAL (Dong et al. 2024, arXiv 2402.10052): distil from itself with the answer's logits lowered.

No retain term, as in its default.
"""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import TrainedMethod


class Undial(TrainedMethod):
    label, source = "UNDIAL", "arXiv 2402.10052"
    variant = "beta 10, no retain term"
    constants = {"beta": 10.0, "alpha": 0.0}
    published = ("beta", "alpha")

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        before, now = self.reference_logits(rows), self.logits_of(rows)
        answer = torch.nn.functional.one_hot(before.ids, before.logits.shape[-1])
        target = (before.logits - self.c["beta"] * answer).softmax(-1)[now.mask]
        loss = -(target * now.logits[now.mask].log_softmax(-1)).sum(-1).mean()
        return loss + self.c["alpha"] * self.nll(self.retain(rng)) if self.c["alpha"] else loss
