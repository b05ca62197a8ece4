"""EUL (Chen and Yang 2023, arXiv 2310.20150): a selective teacher, adapters that merge.

The student stays with the teacher on retain data and leaves it on forget data. Several removals
merge in closed form, by the Gram matrices of each layer's inputs. Deviates: LoRA instead of
adapters behind each FFN; both kinds of data in one step; the masked-word term is ascent on the
answer.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from hfru_core.methods.base import Method, kl

MOST = 8.0  # nats a token: a teacher farther away than that is left


class EUL(Method):
    label, source = "EUL", "arXiv 2310.20150"
    variant = "selective teacher, alpha 0.8, lambda 1, gamma 0.2"
    constants = {"alpha": 0.8, "lambda": 1.0, "gamma": 0.2}
    published = ("alpha", "lambda", "gamma")

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, kept = self.forget(rng), self.retain(rng)
        now, there = self.said(rows), self.said(kept)
        close = kl(self.said_before(kept), there)
        apart = kl(self.said_before(rows), now).clamp(max=MOST)
        selective = self.c["alpha"] * close - apart
        return selective + self.c["lambda"] * there.nll - self.c["gamma"] * now.nll.clamp(max=MOST)


def merged(updates: Sequence[torch.Tensor], grams: Sequence[torch.Tensor]) -> torch.Tensor:
    """One update (out, in) that acts as each of several on its own inputs, as well as can be.

    `grams` are X'X (in, in) of the inputs X (N, in) that each update was made for:
    W = (sum G_i)^-1 sum G_i W_i in the least squares sense (section 3.3 there).
    """
    total = sum(grams)
    weighed = sum(g @ w.T for g, w in zip(grams, updates))
    return torch.linalg.lstsq(total, weighed, driver="gelsd").solution.T
