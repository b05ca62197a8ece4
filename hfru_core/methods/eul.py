"""EUL (Chen and Yang 2023, arXiv 2310.20150): a selective teacher, adapters that merge.

The student stays with the teacher on retain data and leaves it on forget data. Several removals
merge in closed form, by the Gram matrices of each layer's inputs. Deviates: LoRA instead of
adapters behind each FFN; both kinds of data in one step; the masked-word term is ascent on the
answer; neither ascent goes on beyond 8 nats a token.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import nn

from hfru_core.methods.base import TrainedMethod, draw, kl, pool
from hfru_core.model.hooks import hooked

MOST = 8.0  # nats a token: a teacher farther away than that is left
ROWS = 96
Layers = dict[str, tuple[torch.Tensor, torch.Tensor]]  # A (rank, in) and B (out, rank)
Grams = dict[str, torch.Tensor]  # X'X (in, in) of the inputs X (N, in) of a layer


class EUL(TrainedMethod):
    label, source = "EUL", "arXiv 2310.20150"
    variant = "selective teacher, alpha 0.8, lambda 1, gamma 0.2"
    constants = {"alpha": 0.8, "lambda": 1.0, "gamma": 0.2}
    published = ("alpha", "lambda", "gamma")

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, kept = self.forget(rng), self.retain(rng)
        now, there = self.logits_of(rows), self.logits_of(kept)
        close = kl(self.reference_logits(kept), there)
        apart = kl(self.reference_logits(rows), now).clamp(max=MOST)
        selective = self.c["alpha"] * close - apart
        return selective + self.c["lambda"] * there.nll - self.c["gamma"] * now.nll.clamp(max=MOST)

    @torch.no_grad()
    def grams(self, names: Sequence[str]) -> Grams:
        """What layers are given while the model reads of what it was made to forget."""
        rows = draw(pool(self.data, "forget", self.config), ROWS, random.Random(self.config.seed))
        modules = {self.vlm.core.get_submodule(n): n for n in names}
        grams: Grams = {}

        def add(module: nn.Module, args: tuple) -> None:
            name, x = modules[module], args[0].flatten(0, -2).float()
            grams[name] = grams.get(name, 0) + x.T @ x

        with hooked(modules, add, before=True):
            self.logits_of(rows)
        return grams


def merge(removals: Sequence[Layers], grams: Sequence[Grams]) -> Layers:
    """One adapter of several of the same layers, each made alone on the original model."""
    rank = sum(len(next(iter(layers.values()))[0]) for layers in removals)
    return {
        name: factors(
            merged(
                [layers[name][1] @ layers[name][0] for layers in removals], [g[name] for g in grams]
            ),
            rank,
        )
        for name in removals[0]
    }


def factors(update: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A (rank, in) and B (out, rank) of an update (out, in) of no higher rank."""
    u, sizes, v = torch.linalg.svd(update, full_matrices=False)
    a, b = update.new_zeros(rank, update.shape[1]), update.new_zeros(update.shape[0], rank)
    kept = min(rank, len(sizes))
    a[:kept], b[:, :kept] = v[:kept], u[:, :kept] * sizes[:kept]
    return a, b


def merged(updates: Sequence[torch.Tensor], grams: Sequence[torch.Tensor]) -> torch.Tensor:
    """One update (out, in) that acts as each of several on its own inputs, as well as can be.

    W = (sum G_i)^-1 sum G_i W_i in the least squares sense (section 3.3 there).
    """
    total = sum(grams)
    weighed = sum(g @ w.T for g, w in zip(grams, updates))
    return torch.linalg.lstsq(total, weighed, driver="gelsd").solution.T
