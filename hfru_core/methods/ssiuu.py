"""Ssiuu (arXiv 2509.22263): do not grow neurons that only hide the answer.

GradDiff with a charge for changing neurons of negative attribution (activation times gradient of
the answer's probability) from one step to the next. Lambda is not published.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from hfru_core.methods.base import Method, Said
from hfru_core.model import rollout
from hfru_core.model.vlm import swapped
from hfru_core.types import Sample


class Ssiuu(Method):
    label, source = "Ssiuu", "arXiv 2509.22263"
    variant = "GradDiff, attribution held where negative"
    constants = {"lambda": 0.03}

    def attributions(self, rows: Sequence[Sample]) -> tuple[torch.Tensor, Said]:
        """Mean attribution of each MLP neuron of the decoder (layers, neurons)."""
        kept: list[torch.Tensor] = []
        hooks = [
            layer.mlp.down_proj.register_forward_pre_hook(lambda m, args: kept.append(args[0]))
            for layer in self.vlm.decoder.layers
        ]
        try:
            with sdpa_kernel(SDPBackend.MATH):  # The others have no second derivative.
                said = self.said(rows)
        finally:
            for hook in hooks:
                hook.remove()
        chance = rollout.token_logprobs(said.logits, said.ids)[said.mask].exp().sum()
        grads = torch.autograd.grad(chance, kept, create_graph=True)
        return torch.stack([(h * g).sum((0, 1)) for h, g in zip(kept, grads)]) / len(rows), said

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        with torch.enable_grad(), swapped(self.vlm.trainable(), self.reference):
            before = self.attributions(rows)[0].detach()
        now, said = self.attributions(rows)
        # Kept in checkpoints, so that a run goes on with the weights of the step before.
        self.reference = {n: p.detach().clone() for n, p in self.vlm.trainable().items()}
        moved = ((now - before) * (before < 0)).norm(dim=-1).sum()
        return -said.nll + self.nll(self.retain(rng)) + self.c["lambda"] * moved
