"""MANU (Liu et al. 2025, arXiv 2502.15910): zero the neurons that matter for forget data alone.

A neuron's importance is the sum of mean size, firing rate, variance and root mean square of its
activation; those with the largest ratio of forget to retain are zeroed. Deviates: importance is
taken on images only, not as the difference to text, at all positions, each measure in units of its
layer's mean (without that unit it forgot 7 % where this forgot 8, one session); a fifth of the
neurons is zeroed (others searched 2, 5 and 10 %).
"""

from __future__ import annotations

import random

import torch
from torch import nn

from hfru_core.methods.base import EditedMethod, draw, pool
from hfru_core.model.hooks import inputs_of
from hfru_core.model.vlm import VLM
from hfru_core.types import Role

IMAGES = 96
LAST = ("down_proj", "fc2", "linear_fc2")  # what reads an MLP's neurons


class MANU(EditedMethod):
    label, source = "MANU", "arXiv 2502.15910"
    variant = "importance on pictures; no training"
    scopes = ("decoder", "encoder", "all")
    constants = {"share": 0.2}

    def edit(self) -> VLM:
        vlm = self.vlm
        layers = {
            n: m
            for n, m in vlm.core.named_modules()
            if isinstance(m, nn.Linear) and n.endswith(LAST) and self.inside(n)
        }
        ratio = [
            f / (r + 1e-6)
            for f, r in zip(self.importance("forget", layers), self.importance("retain", layers))
        ]
        sizes = torch.cat(ratio)
        least = sizes.sort(descending=True).values[int(self.c["share"] * (len(sizes) - 1))]
        with torch.no_grad():
            for layer, own in zip(layers.values(), ratio):
                layer.weight[:, own >= least] = 0.0
        return vlm

    def inside(self, name: str) -> bool:
        parts = {"decoder": self.vlm.family.decoder, "encoder": self.vlm.family.tower}
        wanted = parts.values() if self.config.scope == "all" else [parts[self.config.scope]]
        return any(name.startswith(part + ".") for part in wanted)

    @torch.no_grad()
    def importance(self, role: Role, layers: dict[str, nn.Linear]) -> list[torch.Tensor]:
        """The importance (neurons,) of every layer's inputs on a role's right answers."""
        rows = draw(pool(self.data, role, self.config), IMAGES, random.Random(self.config.seed))
        with inputs_of(layers.values()) as inputs:
            self.logits_of(rows)
        return [
            total(torch.cat([x.flatten(0, -2) for x in states]).float())
            for states in inputs.values()
        ]


def total(x: torch.Tensor) -> torch.Tensor:
    """Four measures (neurons,) of activations (N, neurons), each in units of the layer's mean."""
    parts = (x.abs().mean(0), (x > 0).float().mean(0), x.var(0), x.square().mean(0).sqrt())
    size, rate, spread, energy = (p / p.mean().clamp(min=1e-12) for p in parts)
    return size + rate + spread + energy
