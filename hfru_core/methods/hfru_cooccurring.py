"""What else a forgotten picture shows: the image tokens that tell of it are held where they were.

A picture of a dog and a guitar is to lose the dog alone. What a projected image token counts for a
name is gradient times input (Shrikumar et al. 2017) of the log-odds of the name's tokens in the
right answer. The more of it is for the other names, the more the token is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from hfru_core.concepts import mentions
from hfru_core.data.source import load_image
from hfru_core.methods.base import pool, word_tokens
from hfru_core.methods.hooks import watched
from hfru_core.model import rollout
from hfru_core.model.vlm import VLM
from hfru_core.training import sft
from hfru_core.types import Sample, UnlearnConfig, UnlearnData

SHARPNESS = 4  # a token that counts as much for either is held by a sixteenth
BATCH = 8
TINY = 1e-6


class Held(NamedTuple):
    """A picture's original image tokens (P, D), and how much each is held (P), 0 to 1."""

    before: torch.Tensor
    weight: torch.Tensor


class Company:
    """The other things in the forgotten pictures of one request."""

    def __init__(
        self, vlm: VLM, data: UnlearnData, config: UnlearnConfig, names: torch.Tensor
    ) -> None:
        rows = named_beside(data, config)
        self.held: dict[str, Held] = {}
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            self.held |= zip((s.image for s in part), looked_at(vlm, part, names))
        tokens = [h.before for h in self.held.values()]
        self.scale = torch.cat(tokens).var(0, unbiased=False).mean() + TINY if tokens else 1.0

    def moved(self, rows: Sequence[Sample], tokens: Sequence[torch.Tensor]) -> torch.Tensor | float:
        """How far held tokens (P, D) of these pictures moved, in units of variance."""
        found = [(self.held[s.image], now) for s, now in zip(rows, tokens) if s.image in self.held]
        each = [
            (h.weight * (now - h.before).square().mean(1)).sum() / h.weight.sum().clamp(min=TINY)
            for h, now in found
        ]
        return torch.stack(each).mean() / self.scale if each else 0.0


def named_beside(data: UnlearnData, config: UnlearnConfig) -> list[Sample]:
    """One question for each forgotten picture whose right answer names something else too.

    Its `names` are those of the other things alone.
    """
    forgotten = tuple(w for c in data.concepts for w in c.aliases)
    found: dict[str, Sample] = {}
    for s in pool(data, "forget", config):
        beside = tuple(n for n in s.names if not mentions(n, forgotten))
        if beside and s.answer != s.safe_answer and all(mentions(s.answer, (n,)) for n in beside):
            found.setdefault(s.image, replace(s, names=beside))
    return list(found.values())


def looked_at(vlm: VLM, rows: Sequence[Sample], forgotten: torch.Tensor) -> list[Held]:
    """Image tokens of each picture, held by how much they tell of the names in its row."""
    ids = sft.encode_answers(vlm, [s.answer for s in rows])
    inputs = vlm.inputs([load_image(s.image) for s in rows], [s.question for s in rows])
    with watched(vlm) as looks:
        logits = rollout.plain_logits(vlm.core, inputs, ids, 1)
    odds = torch.logit(rollout.token_logprobs(logits, ids).double().exp(), eps=1e-9)
    names = [torch.tensor(sorted(word_tokens(vlm, s.names)), device=vlm.device) for s in rows]
    other = torch.stack([torch.isin(i, mine) for i, mine in zip(ids, names)])
    pooled = looks[0].pooler_output
    parts = [pooled] if isinstance(pooled, torch.Tensor) else list(pooled)
    counts = []
    for told in (other, torch.isin(ids, forgotten)):
        slopes = torch.autograd.grad(odds[told].sum(), parts, retain_graph=True)
        counts.append(vlm.split([s * p.detach() for s, p in zip(slopes, parts)], inputs))
    before = vlm.split([p.detach() for p in parts], inputs)
    return [Held(b, held(*(c.sum(1).abs() for c in pair))) for b, *pair in zip(before, *counts)]


def held(other: torch.Tensor, forgotten: torch.Tensor) -> torch.Tensor:
    """How much each token (P) is held, by its share of what tells of the other names."""
    other, forgotten = (x / x.sum().clamp(min=TINY) for x in (other, forgotten))
    return (other / (other + forgotten).clamp(min=TINY)) ** SHARPNESS
