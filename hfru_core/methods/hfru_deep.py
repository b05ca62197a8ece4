"""What the preset `deep` adds: no layer separates the concept, and its name becomes unlikely.

Answers can be perfect while every layer still separates the concept. (1) At each layer of the tower
and behind the projector, forget images are matched to unclear images, which could show anything of
their kind, and to each other: a kernel two-sample statistic (MMD, Gretton et al. 2012) of the mean
image tokens. An oracle that never saw the concepts calls all of them by one word and has no reason
to separate them. Images that show other objects too are left out: these would be lost with the
name. (2) The name's log-probability is pushed below a margin and no further: the lower it is, the
more steps relearning takes. (3) Image tokens that other objects' names depend on are anchored
(`hfru_cooccurring.py`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch.nn import functional as F

from hfru_core.config import UnlearnConfig
from hfru_core.data.request_variants import unclear
from hfru_core.data.source import load_image
from hfru_core.methods.base import AnswerLogits, draw, name_tokens, pool
from hfru_core.methods.hfru_cooccurring import CooccurringObjects
from hfru_core.model import rollout
from hfru_core.model.hooks import mean_tokens, tower_layers, tower_outputs
from hfru_core.model.vlm import VLM
from hfru_core.model.weights import snapshot, swapped
from hfru_core.training import sft
from hfru_core.types import Sample, UnlearnData

WIDTHS = (0.25, 1.0, 4.0)  # of the kernels, in units of the median squared distance
UNCLEAR = 12  # images of each kind in a step
# Weight of the honest answers' loss, and of those about images that show other objects too: the
# kind alone is learnt first, and the rest of such an answer is lost with it.
HONEST, COOCCURRING = 4.0, 6.0
ANCHORED = 2.0  # cost of anchored tokens that move by one standard deviation
TINY = 1e-6


class Pass(NamedTuple):
    """One pass of N images: mean tokens (N, D) by layer, image tokens (P, D), answers' logits."""

    layers: list[torch.Tensor]
    tokens: list[torch.Tensor]
    honest: AnswerLogits
    right: AnswerLogits


class DeepTerms:
    """All terms of the loss, on one request."""

    def __init__(self, vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> None:
        self.vlm, self.data, self.config = vlm, data, config
        self.original = snapshot(vlm.trainable())
        self.names = torch.tensor(name_tokens(vlm, data, config), device=vlm.device)
        self.unclear = unclear(data)
        self.cooccurring = CooccurringObjects(vlm, data, config, self.names)

    def loss(self, rng: random.Random, teach: bool = False) -> torch.Tensor:
        """The loss of one step, including that of the honest answers where it is to `teach` them.

        One pass of the images serves all terms, and one prompt both answers. Every process of a
        group runs the whole batch: the statistic is of all its images.
        """
        cfg = self.config
        rows = [s for s in pool(self.data, "forget", cfg) if s.answer != s.safe_answer]
        rows = draw(rows, cfg.batch, rng)
        seen = self.forward(rows)
        loss = cfg.deep.match * self.separation(rows, seen.layers, rng)
        loss = loss + cfg.deep.suppress * self.above_margin(seen.right)
        loss = loss + ANCHORED * self.cooccurring.drift(rows, seen.tokens)
        loss = loss + HONEST * nll(rows, seen.honest) if teach else loss
        return loss / self.vlm.processes.size

    def forward(self, rows: Sequence[Sample]) -> Pass:
        """One pass of the images, with the honest and the right answer to each question."""
        vlm = self.vlm
        ids = sft.encode_answers(vlm, [a for s in rows for a in (s.safe_answer, s.answer)])
        images = [load_image(s.image_key) for s in rows]
        inputs = vlm.inputs(images, [s.question for s in rows])
        with tower_outputs(vlm) as outputs:
            prefix = rollout.prefill(vlm.core, inputs)
        logits = rollout.shared_logits(vlm.core, prefix, ids, 2)
        mask = rollout.answer_mask(ids, vlm.eos)
        apart = [AnswerLogits(logits[i::2], ids[i::2], mask[i::2]) for i in (0, 1)]
        fixed = vlm.family.fixed
        means = mean_tokens(outputs[0], len(rows)) if fixed else tower_layers(vlm, images)
        tokens = vlm.by_row(outputs[0].pooler_output, inputs)
        return Pass(means, tokens, *apart)

    def separation(
        self, rows: Sequence[Sample], means: list[torch.Tensor], rng: random.Random
    ) -> torch.Tensor:
        """How far layers separate forget images from unclear ones, and concepts from each other.

        The unclear images are held at their original features: the forget images shall move.
        """
        unclear = [k for keys in self.unclear for k in rng.sample(keys, min(UNCLEAR, len(keys)))]
        images = [load_image(k) for k in unclear]
        now = tower_layers(self.vlm, images)
        with torch.no_grad(), swapped(self.vlm.trainable(), self.original):
            before = tower_layers(self.vlm, images)
        owners = [
            [i for i, s in enumerate(rows) if alone(s) and s.concept_id == c.id]
            for c in self.data.concepts
        ]
        owners = [group for group in owners if len(group) > 1]
        each = [
            layer_separation([*(x[g] for g in owners), v], old)
            for x, v, old in zip(means, now, before)
        ]
        return torch.stack(each).mean()

    def above_margin(self, right: AnswerLogits) -> torch.Tensor:
        """By how many nats the names' log-probabilities lie above `-margin`, teacher-forced."""
        counted = torch.isin(right.ids, self.names) & right.mask
        above = F.relu(self.config.deep.margin + rollout.token_logprobs(right.logits, right.ids))
        return (above * counted).sum() / counted.sum().clamp(min=1)


def alone(s: Sample) -> bool:
    """Whether an image shows one object only."""
    return len(s.names) < 2


def nll(rows: Sequence[Sample], honest: AnswerLogits) -> torch.Tensor:
    """The honest answers' mean NLL; those about images with other objects weigh more."""
    weights = [1.0 if alone(s) else COOCCURRING for s in rows]
    counts = torch.tensor(weights, device=honest.ids.device)[:, None] * honest.mask
    return -(rollout.token_logprobs(honest.logits, honest.ids) * counts).sum() / honest.mask.sum()


def layer_separation(groups: Sequence[torch.Tensor], unclear: torch.Tensor) -> torch.Tensor:
    """How far one layer separates groups (N, D) of features, the last of which is held.

    `unclear` are the original features of that last group.
    """
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
    """A share of the squared distance of two means: far apart, a kernel has no slope."""
    return 0.3 * (a.mean(0) - b.mean(0)).square().mean()
