"""SalUn (Fan et al. 2023, arXiv 2310.12508): random labels, only on the weights that matter most.

The half of the weights with the largest gradient of the forget loss moves. Deviates: among LoRA's
B, whose gradient shows which weights would move (A's is zero at first and A is left free), so that
of the weights themselves 78 % can still move and 30 % are such as SalUn freezes (measured on one
session), unless `full` weights are trained, whose mask is SalUn's; a random label is another
thing's or person's name, drawn once for each answer.
"""

from __future__ import annotations

import random

import torch

from hfru_core.methods.base import Step, TrainedMethod
from hfru_core.methods.wrong_names import with_wrong_names

BATCHES = 8


class SalUn(TrainedMethod):
    label, source = "SalUn", "arXiv 2310.12508"
    variant = "top half by gradient, one random label an answer, retain NLL"
    scope = "encoder"
    constants = {"share": 0.5}
    published = ("share",)

    def prepare(self) -> None:
        self.data = with_wrong_names(self.vlm, self.data, self.config.topics, self.config.seed)
        rng, weights = random.Random(f"saliency {self.config.seed}"), self.vlm.trainable()
        moving = [n for n in weights if self.config.full or "lora_B" in n]
        total = {n: torch.zeros_like(weights[n]) for n in moving}
        for _ in range(BATCHES):
            loss = -self.nll(self.forget(rng))
            for n, g in zip(total, torch.autograd.grad(loss, [weights[n] for n in total])):
                total[n] += g
        total = {n: self.vlm.processes.total(t) for n, t in total.items()}
        sizes = torch.cat([t.abs().flatten() for t in total.values()])
        least = sizes.sort(descending=True).values[int(self.c["share"] * (len(sizes) - 1))]
        self.mask = {n: t.abs() >= least for n, t in total.items()}

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        wrong = [s.safe_answer for s in rows]
        return self.nll(rows, wrong) + self.nll(self.retain(rng))

    def backward(self, number: int, rng: random.Random) -> Step:
        step = super().backward(number, rng)
        for name, p in self.vlm.trainable().items():
            if name in self.mask and p.grad is not None:
                p.grad *= self.mask[name]
        return step
