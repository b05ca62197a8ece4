"""MMUnlearner (Huo et al. 2025, arXiv 2502.11051): ascend on the visual concept's weights alone.

Weights whose squared gradient on forget images is at least that on what is preserved are ascended
on; retain steps move all. Preserved are retained images and, where the decoder is adapted, text
(none passes through a tower). Follows the vision mask of its repository (Z1zs/MMUnlearner), whose
labels for it are all words, those of questions too; its training counts answers (`--ans_only`).
Deviates: the language model is frozen unless the scope says otherwise (there it is trained too,
by forget steps that no mask limits); both gradients in one step; masks lie on LoRA's B alone, since
the gradient of its A is zero at first: A is left free.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch

from hfru_core.data.request_variants import text_samples
from hfru_core.data.source import parse_source
from hfru_core.methods.base import Step, TrainedMethod, draw
from hfru_core.model.weights import Tensors
from hfru_core.types import Sample, UserError

TINY = 1e-15
BATCHES = 8


class MMUnlearner(TrainedMethod):
    label, source = "MMUnlearner", "arXiv 2502.11051"
    variant = "vision mask from all words; ascent and retain NLL in one step"
    scope = "encoder+projector"
    constants = {"alpha": 1.0, "threshold": 1.0}
    published = ("alpha", "threshold")
    changes = {"lr": 8e-3}

    def prepare(self) -> None:
        rng = random.Random(f"saliency {self.config.seed}")
        forget = self.saliency(lambda: self.forget(rng))
        keep = self.saliency(lambda: self.retain(rng))
        if self.config.scope in ("decoder", "all"):
            text = self.text()
            words = self.saliency(lambda: draw(text, self.config.retain_batch, rng))
            # No text passes through a tower, and none is averaged there.
            keep = {n: (k + words[n]) / 2 if words[n].any() else k for n, k in keep.items()}
        self.mask = {n: mask_of(f, keep[n], self.c["threshold"]) for n, f in forget.items()}

    def text(self) -> tuple[Sample, ...]:
        """Text-only questions, which show the weights that hold words."""
        found = text_samples(self.data)
        if not found:
            name = parse_source(self.data.source).public_name
            raise UserError(
                f"With scope '{self.config.scope}' {self.label} needs text-only questions to find "
                f"the weights that hold words, and '{name}' has none to "
                f"train on. Use the world, or scope {self.scope}."
            )
        return found

    def saliency(self, batch: Callable[[], Sequence[Sample]]) -> Tensors:
        """The mean squared gradient of the loss on some batches."""
        weights = self.vlm.trainable()
        total = {n: torch.zeros_like(p) for n, p in weights.items()}
        for _ in range(BATCHES):
            loss = self.in_words(batch()).nll
            grads = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
            for n, g in zip(weights, grads):
                total[n] += 0 if g is None else g**2 / BATCHES
        return {n: self.vlm.processes.total(t) for n, t in total.items()}

    def backward(self, number: int, rng: random.Random) -> Step:
        weights = self.vlm.trainable()
        pushed = -self.c["alpha"] * self.nll(self.forget(rng)) / self.vlm.processes.size
        grads = torch.autograd.grad(pushed, list(weights.values()), allow_unused=True)
        kept = self.nll(self.retain(rng)) / self.vlm.processes.size
        kept.backward()
        for (name, p), g in zip(weights.items(), grads):
            if g is not None:
                p.grad = self.mask[name] * g + (0 if p.grad is None else p.grad)
        return Step(pushed + kept)


def mask_of(forget: torch.Tensor, keep: torch.Tensor, threshold: float) -> torch.Tensor:
    """The weights of a tensor that matter more for what is forgotten; all where none was moved."""
    if not (forget.any() or keep.any()):
        return torch.ones_like(forget, dtype=torch.bool)
    return (forget + TINY) / (keep + TINY) >= threshold
