"""LEACE at the projector (Belrose et al. 2023, arXiv 2306.03819): no linear probe reads it.

Fitted on image tokens of forget and retain images, folded into the projector's last layer. The
concept is then linearly unreadable from a single token, not from all of them together, nor by a
probe that is not linear.
"""

from __future__ import annotations

import random

import torch
from concept_erasure import LeaceFitter
from torch import nn

from hfru_core.data.source import load_image
from hfru_core.methods.base import EditedMethod, draw, pool
from hfru_core.model.vlm import VLM

IMAGES = 240  # of each role


class LEACE(EditedMethod):
    label, source = "LEACE", "arXiv 2306.03819"
    variant = "affine, on image tokens, folded into the projector"
    scope, scopes = "encoder+projector", ("encoder+projector",)

    def edit(self) -> VLM:
        last = [m for m in self.vlm.projector.modules() if isinstance(m, nn.Linear)][-1]
        eraser = self.fitted().eraser
        erase = torch.eye(last.out_features, dtype=torch.float64) - (
            eraser.proj_left.double().cpu() @ eraser.proj_right.double().cpu()
        )
        mean = eraser.bias.double().cpu()
        with torch.no_grad():
            old = torch.zeros_like(mean) if last.bias is None else last.bias.double().cpu()
            last.weight.copy_(erase @ last.weight.double().cpu())
            last.bias = nn.Parameter((erase @ (old - mean) + mean).to(last.weight))
        return self.vlm

    def fitted(self) -> LeaceFitter:
        """LEACE of each token against the label of its image: a forgotten concept, or none."""
        rng, concepts = random.Random(self.config.seed), [c.id for c in self.data.concepts]
        rows = [
            s
            for role in ("forget", "retain")
            for s in draw(pool(self.data, role, self.config), IMAGES, rng)
        ]
        tokens = self.vlm.vision_features([load_image(s.image_key) for s in rows])
        label = torch.tensor(
            [concepts.index(s.concept_id) + 1 if s.role == "forget" else 0 for s in rows]
        )
        shown = torch.nn.functional.one_hot(label, len(concepts) + 1)[:, 1:]
        shown = shown.repeat_interleave(tokens.shape[1], 0)
        x = tokens.flatten(0, 1)
        fitter = LeaceFitter(x.shape[1], shown.shape[1], dtype=torch.float64)
        return fitter.update(x.double(), shown.double())
