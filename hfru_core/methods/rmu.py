"""RMU (Li et al. 2024, arXiv 2403.03218): steer hidden states of forget answers to noise.

States are those of the answers' own tokens, averaged within each answer first, as in
open-unlearning; alpha is the authors' for Zephyr. Deviates: LoRA on all blocks instead of three
down projections, the layer in the middle of the decoder, and a steering length relative to that
layer's own (theirs is 6.5): absolute ones belong to one model.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from hfru_core.methods.base import TrainedMethod, answers_of
from hfru_core.model import rollout
from hfru_core.model.hooks import outputs_of
from hfru_core.training import sft
from hfru_core.types import Sample


class RMU(TrainedMethod):
    label, source = "RMU", "arXiv 2403.03218"
    variant = "one layer, answers' own tokens, positive random direction, relative length"
    scopes = ("decoder", "all", "encoder", "encoder+projector")
    constants = {"steer": 4.0, "alpha": 1200.0}
    published = ("alpha",)

    def prepare(self) -> None:
        layers = self.vlm.decoder.layers
        self.layer = layers[len(layers) // 2]
        width = self.vlm.decoder.config.hidden_size
        u = torch.rand(width, generator=torch.Generator().manual_seed(self.config.seed))
        self.direction = (u / u.norm()).to(self.vlm.device)

    def hidden(self, rows: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
        """The layer's states (N, R, D) at the right answers' tokens, and which count (N, R)."""
        ids = sft.encode_answers(self.vlm, answers_of(rows))
        # A pass leaves the last token out, since it predicts nothing: here it counts.
        longer = pad(ids, (0, 1), value=self.vlm.eos[0])
        with outputs_of(self.layer) as states:
            rollout.plain_logits(self.vlm.core, self.inputs_of(rows), longer, 1)
        return states[0][:, -ids.shape[1] :], rollout.answer_mask(ids, self.vlm.eos)

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, kept = self.forget(rng), self.retain(rng)
        with self.original():
            before, (states, mask) = self.hidden(kept)[0], self.hidden(rows)
            length = states[mask].norm(dim=-1).mean()
        steered = distance(*self.hidden(rows), self.c["steer"] * length * self.direction)
        now, counted = self.hidden(kept)
        held = distance(now, counted, before)
        return (steered + self.c["alpha"] * held) * len(self.direction) / length**2


def distance(states: torch.Tensor, mask: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The mean squared distance of states (N, R, D) to a target, each sequence counting alike."""
    each = (states - target).square().mean(-1) * mask
    return (each.sum(1) / mask.sum(1).clamp(min=1)).mean()
