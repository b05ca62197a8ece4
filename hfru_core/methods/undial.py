"""UNDIAL (Dong et al. 2024, arXiv 2402.10052): distil from itself with the answer's logits lowered.

The mean is over all positions: where no answer is predicted the model is held to itself, as in
open-unlearning. No retain term, as in its default. Deviates: padding is left out, which counts
there, and no word is lowered where none is to be forgotten (there the label -100 picks one).
"""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import AnswerLogits, TrainedMethod


class Undial(TrainedMethod):
    label, source = "UNDIAL", "arXiv 2402.10052"
    variant = "beta 10, all positions, no retain term"
    constants = {"beta": 10.0, "alpha": 0.0}
    published = ("beta", "alpha")

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        with self.original():
            before = self.everywhere(rows)
        loss = lowered(before, self.everywhere(rows), self.c["beta"])
        return loss + self.c["alpha"] * self.nll(self.retain(rng)) if self.c["alpha"] else loss


def lowered(before: AnswerLogits, now: AnswerLogits, beta: float) -> torch.Tensor:
    """Cross-entropy to the model before, whose logits of the answers' tokens are `beta` lower."""
    less = torch.full_like(before.ids, -beta, dtype=before.logits.dtype)
    less[:, : before.start] = 0.0
    target = before.logits.scatter_add(-1, before.ids[..., None], less[..., None]).softmax(-1)
    return -(target[now.mask] * now.logits[now.mask].log_softmax(-1)).sum(-1).mean()
