"""RMU (Li et al. 2024, arXiv 2403.03218): steer hidden states of forget answers to noise.

Deviates: LoRA on all blocks instead of three down projections, the layer in the middle of the
decoder, and a steering length relative to that layer's own: absolute ones belong to one model.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from hfru_core.methods.base import TrainedMethod
from hfru_core.model.hooks import outputs_of
from hfru_core.types import Sample


class RMU(TrainedMethod):
    label, source = "RMU", "arXiv 2403.03218"
    variant = "one layer, positive random direction, relative length"
    scopes = ("decoder", "all", "encoder", "encoder+projector")
    constants = {"steer": 4.0, "alpha": 1.0}

    def prepare(self) -> None:
        layers = self.vlm.decoder.layers
        self.layer = layers[len(layers) // 2]
        width = self.vlm.decoder.config.hidden_size
        u = torch.rand(width, generator=torch.Generator().manual_seed(self.config.seed))
        self.direction = (u / u.norm()).to(self.vlm.device)

    def hidden(self, rows: Sequence[Sample]) -> torch.Tensor:
        """The layer's states (T, D) where the right answers are predicted."""
        with outputs_of(self.layer) as states:
            now = self.logits_of(rows)
        return states[0][:, -now.ids.shape[1] :][now.mask]

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, kept = self.forget(rng), self.retain(rng)
        with self.original():
            before, length = self.hidden(kept), self.hidden(rows).norm(dim=-1).mean()
        target = self.c["steer"] * length * self.direction
        scale = length**2
        steered = (self.hidden(rows) - target).square().sum(-1).mean() / scale
        held = (self.hidden(kept) - before).square().sum(-1).mean() / scale
        return steered + self.c["alpha"] * held
