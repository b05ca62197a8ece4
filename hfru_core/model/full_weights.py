"""Full weights as plain LoRA: one factor is the identity and stays, the other is the change itself.

The change of a layer's weights is B A. Where A is the identity B is that change entry by entry, and
so is its gradient (where a layer has fewer outputs than inputs, the other way round): what trains
it trains the layer's weights, and the adapter is one that PEFT loads like any other. Weight decay
pulls the change to 0, not the weights. Does not cover: norms, biases, embeddings.
"""

from __future__ import annotations

import re
from typing import cast

import torch
from peft.tuners.lora import LoraLayer
from torch import nn


def full_rank(core: nn.Module, pattern: str) -> int:
    """The rank that any change of the layers' weights can have."""
    layers = [m for n, m in core.named_modules() if re.fullmatch(pattern, n)]
    return max(min(m.weight.shape[:2]) for m in layers)


@torch.no_grad()
def train_full(model: nn.Module) -> None:
    """Make every LoRA of a model the change of its layer's weights; nothing else is trainable."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            a, b = (cast(nn.Linear, f["default"]).weight for f in (layer.lora_A, layer.lora_B))
            fixed, change = (a, b) if a.shape[1] <= b.shape[0] else (b, a)
            fixed.copy_(torch.eye(*fixed.shape[:2]).view_as(fixed))
            change.zero_()
            fixed.requires_grad_(False)
