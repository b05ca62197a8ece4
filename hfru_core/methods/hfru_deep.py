"""What the preset `deep` adds: a concept that the tower no longer holds, and a name far from reach.

Answers can be perfect while every layer still tells the concept apart. (1) At each layer of the
tower and behind the projector, forgotten pictures are matched to pictures that could show anything
of their kind, and to each other: a kernel two-sample statistic (MMD, Gretton et al. 2012) of the
mean image tokens. What an oracle that never knew the concept calls by one word, it has no reason to
keep apart either. Pictures that show something else too are left out: it would be lost with the
name. (2) The name's log-probability is pushed below a margin and no further: the further away it
is, the more lessons it takes to bring it back. (3) What tells of other things in the picture is
held where it was (`hfru_cooccurring.py`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch.nn import functional as F

from hfru_core.data.request_variants import unclear
from hfru_core.data.source import load_image
from hfru_core.methods.base import Said, draw, name_tokens, pool
from hfru_core.methods.hfru_cooccurring import Company
from hfru_core.methods.hooks import layers, means, watched
from hfru_core.model import rollout
from hfru_core.model.vlm import VLM, swapped
from hfru_core.training import sft
from hfru_core.types import Sample, UnlearnConfig, UnlearnData

WIDTHS = (0.25, 1.0, 4.0)  # of the kernels, in units of the median squared distance
UNCLEAR = 12  # pictures of each kind in a step
# What the honest answers count for, and those about pictures that show something else too: the
# kind alone is learnt first, and the rest of the answer is lost with it.
TAUGHT, COMPANY = 4.0, 6.0
HELD = 2.0  # what held tokens cost for moving by one standard deviation
TINY = 1e-6


class Look(NamedTuple):
    """Of pictures: what layers (N, D) see, image tokens (P, D), and how likely answers seem."""

    layers: list[torch.Tensor]
    tokens: list[torch.Tensor]
    honest: Said
    right: Said


class Deeper:
    """All terms, on one request."""

    def __init__(self, vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> None:
        self.vlm, self.data, self.config = vlm, data, config
        self.original = {n: p.detach().clone() for n, p in vlm.trainable().items()}
        self.names = torch.tensor(name_tokens(vlm, data, config), device=vlm.device)
        self.unclear = unclear(data)
        self.company = Company(vlm, data, config, self.names)

    def loss(self, rng: random.Random, teach: bool = False) -> torch.Tensor:
        """One step's, with the honest answers' loss where it is to `teach`.

        One look at the pictures serves all terms, one prompt both answers. The processes of a team
        all see the whole batch.
        """
        cfg = self.config
        rows = [s for s in pool(self.data, "forget", cfg) if s.answer != s.safe_answer]
        rows = draw(rows, cfg.stage1_batch, rng)
        look = self.look(rows)
        loss = cfg.match * self.matching(rows, look.layers, rng)
        loss = loss + cfg.suppress * self.within_reach(look.right)
        loss = loss + HELD * self.company.moved(rows, look.tokens)
        return (loss + TAUGHT * nll(rows, look.honest) if teach else loss) / self.vlm.team.size

    def look(self, rows: Sequence[Sample]) -> Look:
        """One look at the pictures, with the honest and the right answer to each."""
        vlm = self.vlm
        ids = sft.encode_answers(vlm, [a for s in rows for a in (s.safe_answer, s.answer)])
        images = [load_image(s.image) for s in rows]
        inputs = vlm.inputs(images, [s.question for s in rows])
        with watched(vlm) as looks:
            prefix = rollout.prefill(vlm.core, inputs)
        logits = rollout.shared_logits(vlm.core, prefix, ids, 2)
        both = Said(logits, ids, rollout.answer_mask(ids, vlm.eos))
        seen = means(looks[0], len(rows)) if vlm.family.fixed else layers(vlm, images)
        tokens = vlm.split(looks[0].pooler_output, inputs)
        return Look(seen, tokens, *(Said(*(x[i::2] for x in both)) for i in (0, 1)))

    def matching(
        self, rows: Sequence[Sample], seen: list[torch.Tensor], rng: random.Random
    ) -> torch.Tensor:
        """How well layers tell forgotten pictures from unclear ones, and from each other.

        The unclear pictures stay where they were: it is the forgotten ones that are to move.
        """
        vague = [k for keys in self.unclear for k in rng.sample(keys, min(UNCLEAR, len(keys)))]
        images = [load_image(k) for k in vague]
        now = layers(self.vlm, images)
        with torch.no_grad(), swapped(self.vlm.trainable(), self.original):
            before = layers(self.vlm, images)
        owners = [
            [i for i, s in enumerate(rows) if alone(s) and s.concept_id == c.id]
            for c in self.data.concepts
        ]
        owners = [group for group in owners if len(group) > 1]
        apart = [
            told_apart([*(x[g] for g in owners), v], old) for x, v, old in zip(seen, now, before)
        ]
        return torch.stack(apart).mean()

    def within_reach(self, right: Said) -> torch.Tensor:
        """By how many nats the names lie above `-margin`, behind the right words before them."""
        counted = torch.isin(right.ids, self.names) & right.mask
        above = F.relu(self.config.margin + rollout.token_logprobs(right.logits, right.ids))
        return (above * counted).sum() / counted.sum().clamp(min=1)


def alone(s: Sample) -> bool:
    """Whether a picture shows nothing else."""
    return len(s.names) < 2


def nll(rows: Sequence[Sample], honest: Said) -> torch.Tensor:
    """The honest answers' mean negative log-likelihood; those about company count more."""
    counts = [1.0 if alone(s) else COMPANY for s in rows]
    counts = torch.tensor(counts, device=honest.ids.device)[:, None] * honest.mask
    return -(rollout.token_logprobs(honest.logits, honest.ids) * counts).sum() / honest.mask.sum()


def told_apart(groups: Sequence[torch.Tensor], unclear: torch.Tensor) -> torch.Tensor:
    """Of one layer: groups (N, D) of features, the last unclear, with its features before."""
    scale = unclear.std(0).clamp(min=1e-3)
    parts = [g / scale for g in groups]
    pairs = [mmd(a, b) + mean_gap(a, b) for a, b in combinations(parts, 2)]
    return sum(pairs) / max(1, len(pairs)) + F.mse_loss(parts[-1], unclear / scale)


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
