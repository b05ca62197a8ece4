"""SU (arXiv 2506.00359): a forget question's words in front of another question change nothing.

GradDiff with the scope term: the retained answer to a retained image and question, behind a
forget question. Its weight is not published.
"""

from __future__ import annotations

import random
from dataclasses import replace

import torch

from hfru_core.methods.base import TrainedMethod


class ScopeAware(TrainedMethod):
    label, source = "SU", "arXiv 2506.00359"
    variant = "GradDiff with the scope term"
    constants = {"eta": 1.0}
    changes = {"lr": 8e-3}

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, kept = self.forget(rng), self.retain(rng)
        joined = [replace(r, question=f"{f.question} {r.question}") for f, r in zip(rows, kept)]
        return -self.nll(rows) + self.nll(kept) + self.c["eta"] * self.nll(joined)
