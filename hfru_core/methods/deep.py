"""What the preset `deep` adds: a concept that the tower no longer holds, and a name far from reach.

Answers can be perfect while every layer still tells the concept apart. (1) At each layer of the
tower and behind the projector, forgotten pictures are matched to pictures that could show anything
of their kind, and to each other: a kernel two-sample statistic (MMD, Gretton et al. 2012) of the
mean image tokens. What an oracle that never knew the concept calls by one word, it has no reason to
keep apart either. (2) The name's log-probability is pushed below a margin and no further: the
further away it is, the more lessons it takes to bring it back.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import torch
from PIL import Image
from torch.nn import functional as F

from hfru_core import rollout, sft
from hfru_core.data import load_image
from hfru_core.methods.base import draw, name_tokens, pool
from hfru_core.types import Sample, UnlearnConfig, UnlearnData
from hfru_core.variants import unclear
from hfru_core.vlm import PIXELS, VLM, swapped

WIDTHS = (0.25, 1.0, 4.0)  # of the kernels, in units of the median squared distance
UNCLEAR = 12  # pictures of each kind in a step
TINY = 1e-6


class Deeper:
    """Both terms, on one request."""

    def __init__(self, vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> None:
        self.vlm, self.data, self.config = vlm, data, config
        self.original = {n: p.detach().clone() for n, p in vlm.trainable().items()}
        self.names = torch.tensor(name_tokens(vlm, data, config), device=vlm.device)
        self.unclear = unclear(data)

    def loss(self, rng: random.Random) -> torch.Tensor:
        """One step's; the processes of a team all see the whole batch."""
        cfg = self.config
        rows = [s for s in pool(self.data, "forget", cfg) if s.answer != s.safe_answer]
        rows = draw(rows, cfg.stage1_batch, rng)
        loss = cfg.match * self.matching(rows, rng) + cfg.suppress * self.within_reach(rows)
        return loss / self.vlm.team.size

    def matching(self, rows: Sequence[Sample], rng: random.Random) -> torch.Tensor:
        """How well layers tell forgotten pictures from unclear ones, and from each other.

        The unclear pictures stay where they were: it is the forgotten ones that are to move.
        """
        vague = [k for keys in self.unclear for k in rng.sample(keys, min(UNCLEAR, len(keys)))]
        groups = [[s.image for s in rows if s.concept_id == c.id] for c in self.data.concepts]
        groups = [g for g in (*groups, vague) if len(g) > 1]
        images = [load_image(k) for g in groups for k in g]
        now = layers(self.vlm, images)
        with torch.no_grad(), swapped(self.vlm.trainable(), self.original):
            before = layers(self.vlm, images[-len(vague) :])
        apart = [told_apart(x, old, [len(g) for g in groups]) for x, old in zip(now, before)]
        return torch.stack(apart).mean()

    def within_reach(self, rows: Sequence[Sample]) -> torch.Tensor:
        """By how many nats the names lie above `-margin`, behind the right words before them."""
        vlm = self.vlm
        ids = sft.encode_answers(vlm, [s.answer for s in rows])
        inputs = vlm.inputs([load_image(s.image) for s in rows], [s.question for s in rows])
        logits = rollout.plain_logits(vlm.core, inputs, ids, 1)
        counted = torch.isin(ids, self.names) & rollout.answer_mask(ids, vlm.eos)
        above = F.relu(self.config.margin + rollout.token_logprobs(logits, ids))
        return (above * counted).sum() / counted.sum().clamp(min=1)


def told_apart(now: torch.Tensor, unclear: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """Of one layer: groups (N, D) of these sizes; the last is unclear, with its features before."""
    scale = unclear.std(0).clamp(min=1e-3)
    parts = (now / scale).split(sizes)
    pairs = [mmd(a, b) + mean_gap(a, b) for a, b in combinations(parts, 2)]
    return torch.stack(pairs).mean() + F.mse_loss(parts[-1], unclear / scale)


def mmd(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The unbiased squared maximum mean discrepancy of two samples (N, D), (M, D)."""
    distance = torch.cdist(z := torch.cat([a, b]), z).square()
    width = distance.detach().median().clamp(min=TINY)
    kernel = torch.stack([torch.exp(-distance / (width * w)) for w in WIDTHS]).mean(0)
    n, m = len(a), len(b)
    within = kernel * (1 - torch.eye(n + m, device=kernel.device))
    same = within[:n, :n].sum() / (n * (n - 1)) + within[n:, n:].sum() / (m * (m - 1))
    return same - 2 * kernel[:n, n:].mean()


def mean_gap(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The squared distance of two samples' means: far apart, a kernel has no slope."""
    return 0.3 * (a.mean(0) - b.mean(0)).square().mean()


def layers(vlm: VLM, images: Sequence[Image.Image]) -> list[torch.Tensor]:
    """Mean image tokens (N, D) of every layer of the tower, and behind the projector."""
    batches = [images] if vlm.family.fixed else [[i] for i in images]
    found = [layers_of(vlm, batch) for batch in batches]
    return [torch.cat(parts).float() for parts in zip(*found)]


def layers_of(vlm: VLM, images: Sequence[Image.Image]) -> list[torch.Tensor]:
    inputs = vlm.inputs(images, [""] * len(images))
    pixels = {k: inputs[k] for k in PIXELS if k in inputs}
    seen = vlm.core.model.get_image_features(**pixels, output_hidden_states=True)
    tokens = [*seen.hidden_states[1:], torch.cat([t.flatten(0, -2) for t in seen.pooler_output])]
    return [t.reshape(len(images), -1, t.shape[-1]).mean(1) for t in tokens]
