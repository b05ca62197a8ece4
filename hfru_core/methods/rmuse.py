"""R-MUSE (arXiv 2512.17911): steer the decoder at answer time; the weights stay as they are.

As published: directions lead from the own answer about each forgotten image to a refusal,
z-scored, and 80 % of their energy is kept; a state that lies in the retain subspace is left alone;
another is rotated, its length kept, along its part within the directions and outside the retain
subspace, at most as far as the barycentre of the directions on the sphere lies. No code was found.
Differences: there are no chains of thought, so one span for an answer, and the retain subspace is
that of retained answers about their mean, with the same energy, and so is the gate (published: of
what reasoning adds to them). A direction is taken on the side of the barycentre. All positions are
steered, those of image and question too: steering answers alone forgets half as much. Layer,
gate and the share of the rotation are not published. On the bundled model the gate opens as often
for retained answers as for forgotten ones (medians 0.57 and 0.56): retained ones survive because
the rotation is small.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from PIL import Image

from hfru_core.methods.base import EditedMethod, answers_of, draw, pool
from hfru_core.model.hooks import hidden_states, hooked, outputs_of
from hfru_core.model.vlm import VLM
from hfru_core.types import Sample

ROWS, BATCH = 384, 32


@dataclass(kw_only=True)
class Steered(VLM):
    """Answers under a hook; `merged()` and the weights show the model behind."""

    directions: torch.Tensor  # (k, D), orthonormal: towards refusals
    target: torch.Tensor  # (D,), of unit length: their barycentre
    kept: torch.Tensor  # (r, D), orthonormal: the retain subspace
    centre: torch.Tensor  # (D,): the mean retained state
    layer: int
    gate: float
    share: float

    def answer(
        self, images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int = 32
    ) -> list[str]:
        with hooked([self.decoder.layers[self.layer]], self.steer):
            return super().answer(images, questions, max_new)

    def steer(self, module: torch.nn.Module, args: tuple, out: torch.Tensor) -> torch.Tensor:
        """Rotate the states (..., D) that lie outside the retain subspace."""
        h = hidden_states(out)
        steered = torch.where(self.outside(h), self.rotated(h), h)
        return (steered, *out[1:]) if isinstance(out, tuple) else steered

    def outside(self, h: torch.Tensor) -> torch.Tensor:
        away = h - self.centre
        return within(away, self.kept).norm(dim=-1, keepdim=True) < self.gate * length(away)

    def rotated(self, h: torch.Tensor) -> torch.Tensor:
        part = within(h, self.directions)
        part = part - within(part, self.kept)
        part = torch.where((part @ self.target < 0)[..., None], -part, part) / length(part)
        unit = h / length(h)
        full = angle(unit, part)
        turn = self.share * torch.minimum(full, angle(unit, self.target))
        turned = torch.sin(full - turn) * unit + torch.sin(turn) * part
        return turned / length(turned) * length(h)


class RMUSE(EditedMethod):
    label, source = "R-MUSE", "arXiv 2512.17911"
    variant = "steering at answer time, without chains of thought"
    scopes = ("decoder",)
    constants = {"energy": 0.8, "gate": 0.65, "share": 0.6}
    published = ("energy",)

    def edit(self) -> VLM:
        rng, layer = random.Random(self.config.seed), len(self.vlm.decoder.layers) // 2
        forget, retain = (
            draw(pool(self.data, role, self.config), ROWS, rng) for role in ("forget", "retain")
        )
        refused = self.states(forget, self.idk(forget, rng), layer)
        towards = refused - self.states(forget, answers_of(forget), layer)
        towards = towards - towards.mean(-1, keepdim=True)
        towards = towards / towards.std(-1, keepdim=True)
        kept = self.states(retain, answers_of(retain), layer)
        own = {f.name: getattr(self.vlm, f.name) for f in fields(VLM)}
        return Steered(
            **own,
            directions=subspace(towards, self.c["energy"]),
            target=barycentre(towards / length(towards)),
            centre=kept.mean(0),
            kept=subspace(kept - kept.mean(0), self.c["energy"]),
            layer=layer,
            gate=self.c["gate"],
            share=self.c["share"],
        )

    @torch.no_grad()
    def states(self, rows: Sequence[Sample], answers: Sequence[str], layer: int) -> torch.Tensor:
        """The mean state (N, D) of each answer at a layer."""
        means = []
        with outputs_of(self.vlm.decoder.layers[layer]) as states:
            for start in range(0, len(rows), BATCH):
                part = slice(start, start + BATCH)
                now = self.logits_of(rows[part], answers[part])
                span = states.pop()[:, -now.ids.shape[1] :] * now.mask[..., None]
                means.append(span.sum(1) / now.mask.sum(1, keepdim=True))
        return torch.cat(means)


def subspace(rows: torch.Tensor, energy: float) -> torch.Tensor:
    """The fewest right singular vectors (k, D) that hold a share of the rows' energy."""
    _, sizes, found = torch.linalg.svd(rows, full_matrices=False)
    held = sizes.square().cumsum(0) / sizes.square().sum()
    return found[: int((held < energy).sum()) + 1]


def barycentre(units: torch.Tensor, rounds: int = 20) -> torch.Tensor:
    """The point (D,) of the sphere with the least squared angles to unit vectors (N, D)."""
    mean = units.mean(0) / length(units.mean(0))
    for _ in range(rounds):
        angles = angle(units, mean)
        step = (angles / torch.sin(angles) * (units - torch.cos(angles) * mean)).mean(0)
        mean = torch.cos(length(step)) * mean + torch.sin(length(step)) * step / length(step)
    return mean


def within(states: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
    """The part of states (..., D) in the span of orthonormal rows (k, D)."""
    return states @ basis.T @ basis


def length(states: torch.Tensor) -> torch.Tensor:
    return states.norm(dim=-1, keepdim=True).clamp(min=1e-6)


def angle(units: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Angles (..., 1) between unit vectors (..., D)."""
    return (units * other).sum(-1, keepdim=True).clamp(-0.9999, 0.9999).acos()
