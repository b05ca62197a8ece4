"""R-MUSE (arXiv 2512.17911): steer the decoder at answer time; the weights stay as they are.

Published are a subspace of forget directions with 80 % of their energy, a retain subspace, a gate,
and a rotation that keeps a state's length; no code. Here it is simpler: directions lead from the
mean retained answer to each forget answer (published: from each answer to its refusal, z-scored);
those of the rest are taken out of the subspace, as many as it has (published: out of the turn);
the gate opens where a state lies along the subspace (published: where it does not lie along the
retain one); the turn goes to the mean refusal (published: to a transport barycentre). No chains of
thought, so one span for answers. Layer, gate and strength are not published.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from PIL import Image

from hfru_core.methods.base import Method, draw, pool
from hfru_core.types import Sample
from hfru_core.vlm import VLM

ROWS = 96


@dataclass(kw_only=True)
class Steered(VLM):
    """Answers under a hook; `merged()` and the weights show the model behind."""

    towards: torch.Tensor  # (D,) of unit length
    from_: torch.Tensor  # (k, D), orthonormal: directions of what is to be forgotten
    layer: int
    gate: float
    angle: float

    def answer(
        self, images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int = 32
    ) -> list[str]:
        hook = self.decoder.layers[self.layer].register_forward_hook(self.steer)
        try:
            return super().answer(images, questions, max_new)
        finally:
            hook.remove()

    def steer(self, module: torch.nn.Module, args: tuple, out: torch.Tensor) -> torch.Tensor:
        """Turn the states that lie along the forget directions towards a refusal."""
        h = out[0] if isinstance(out, tuple) else out
        length = h.norm(dim=-1, keepdim=True)
        unit = h / length.clamp(min=1e-6)
        near = (unit @ self.from_.T).norm(dim=-1, keepdim=True) > self.gate
        across = self.towards - (unit * self.towards).sum(-1, keepdim=True) * unit
        across = across / across.norm(dim=-1, keepdim=True).clamp(min=1e-6)
        angle = torch.tensor(self.angle)
        turned = torch.where(near, torch.cos(angle) * unit + torch.sin(angle) * across, unit)
        return (turned * length, *out[1:]) if isinstance(out, tuple) else turned * length


class RMUSE(Method):
    label, source = "R-MUSE", "arXiv 2512.17911"
    variant = "steering at answer time, simplified"
    scopes = ("decoder",)
    constants = {"energy": 0.8, "gate": 0.3, "angle": 1.0}
    published = ("energy",)
    trains = False

    def edit(self) -> VLM:
        rng, layer = random.Random(self.config.seed), len(self.vlm.decoder.layers) // 2
        forget, retain = (
            draw(pool(self.data, role, self.config), ROWS, rng) for role in ("forget", "retain")
        )
        told, kept = self.states(forget, layer), self.states(retain, layer)
        towards = self.states(forget, layer, self.idk(forget, rng)).mean(0) - told.mean(0)
        away = told - kept.mean(0)
        _, sizes, found = torch.linalg.svd(away, full_matrices=False)
        enough = int((sizes.square().cumsum(0) / sizes.square().sum() < self.c["energy"]).sum()) + 1
        _, _, rest = torch.linalg.svd(kept - kept.mean(0), full_matrices=False)
        free = found[:enough] - found[:enough] @ rest[:enough].T @ rest[:enough]
        basis, _ = torch.linalg.qr(free.T)
        own = {f.name: getattr(self.vlm, f.name) for f in fields(VLM)}
        return Steered(**own, towards=towards / towards.norm(), from_=basis.T, layer=layer,
                       gate=self.c["gate"], angle=self.c["angle"])  # fmt: skip

    @torch.no_grad()
    def states(
        self, rows: Sequence[Sample], layer: int, answers: Sequence[str] | None = None
    ) -> torch.Tensor:
        """The mean state (N, D) of each answer at a layer."""
        kept: list[torch.Tensor] = []
        hook = self.vlm.decoder.layers[layer].register_forward_hook(
            lambda m, args, out: kept.append(out[0] if isinstance(out, tuple) else out)
        )
        try:
            said = self.said(rows, answers)
        finally:
            hook.remove()
        span = kept[0][:, -said.ids.shape[1] :] * said.mask[..., None]
        return span.sum(1) / said.mask.sum(1, keepdim=True)
