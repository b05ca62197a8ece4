"""Ssiuu (arXiv 2509.22263): do not grow neurons that only hide the answer.

GradDiff with a charge for changing neurons of negative attribution (activation times gradient of
the answer's probability) from one step to the next. Lambda is not published.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from hfru_core.methods.base import AnswerLogits, TrainedMethod
from hfru_core.model import rollout
from hfru_core.model.hooks import inputs_of
from hfru_core.model.weights import snapshot, swapped
from hfru_core.types import Sample


class Ssiuu(TrainedMethod):
    label, source = "Ssiuu", "arXiv 2509.22263"
    variant = "GradDiff, attribution held where negative"
    constants = {"lambda": 0.03}

    def attributions(self, rows: Sequence[Sample]) -> tuple[torch.Tensor, AnswerLogits]:
        """Mean attribution of each MLP neuron of the decoder (layers, neurons), and the logits."""
        mlps = [layer.mlp.down_proj for layer in self.vlm.decoder.layers]
        # The other attention kernels have no second derivative.
        with inputs_of(mlps) as inputs, sdpa_kernel(SDPBackend.MATH):
            answers = self.logits_of(rows)
        neurons = [x for (x,) in inputs.values()]
        chance = rollout.token_logprobs(answers.logits, answers.ids)[answers.mask].exp().sum()
        grads = torch.autograd.grad(chance, neurons, create_graph=True)
        return torch.stack([(h * g).sum((0, 1)) for h, g in zip(neurons, grads)]) / len(
            rows
        ), answers

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        with torch.enable_grad(), swapped(self.vlm.trainable(), self.reference):
            before = self.attributions(rows)[0].detach()
        now, answers = self.attributions(rows)
        # Kept in checkpoints, so that a run goes on with the weights of the step before.
        self.reference = snapshot(self.vlm.trainable())
        moved = ((now - before) * (before < 0)).norm(dim=-1).sum()
        return -answers.nll + self.nll(self.retain(rng)) + self.c["lambda"] * moved
