"""Co-occurring objects: image tokens that other names in a forget image depend on are anchored.

An image of a dog and a guitar shall lose the dog alone. A token's attribution to a name is
gradient x input (Shrikumar et al. 2017) of the log-odds of that name's tokens in the right answer.
The larger the share of its attribution that goes to the other names, the more the token is
anchored to its original value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from hfru_core.config import UnlearnConfig
from hfru_core.data.source import load_image
from hfru_core.language.mentions import mentions
from hfru_core.methods.base import answers_of, pool, word_tokens
from hfru_core.model import rollout
from hfru_core.model.hooks import tower_outputs
from hfru_core.model.vlm import VLM
from hfru_core.training import sft
from hfru_core.types import Sample, UnlearnData

SHARPNESS = 4  # a token with as much attribution to either is anchored by a sixteenth
BATCH = 8
TINY = 1e-6


class Anchor(NamedTuple):
    """An image's original tokens (P, D), and how much each is anchored (P,), 0 to 1."""

    before: torch.Tensor
    weight: torch.Tensor


class CooccurringObjects:
    """The other objects in the forget images of one request, by image."""

    def __init__(
        self, vlm: VLM, data: UnlearnData, config: UnlearnConfig, names: torch.Tensor
    ) -> None:
        rows = with_other_names(data, config)
        self.anchors: dict[str, Anchor] = {}
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            self.anchors |= zip((s.image_key for s in part), anchors_of(vlm, part, names))
        tokens = [a.before for a in self.anchors.values()]
        self.scale = torch.cat(tokens).var(0, unbiased=False).mean() + TINY if tokens else 1.0

    def drift(self, rows: Sequence[Sample], tokens: Sequence[torch.Tensor]) -> torch.Tensor | float:
        """How far anchored tokens (P, D) of these images moved, in units of variance."""
        pairs = [
            (self.anchors[s.image_key], now)
            for s, now in zip(rows, tokens)
            if s.image in self.anchors
        ]
        each = [
            (a.weight * (now - a.before).square().mean(1)).sum() / a.weight.sum().clamp(min=TINY)
            for a, now in pairs
        ]
        return torch.stack(each).mean() / self.scale if each else 0.0


def with_other_names(data: UnlearnData, config: UnlearnConfig) -> list[Sample]:
    """One question for each forget image whose right answer names another object too.

    Its `names` are those of the other objects alone.
    """
    forgotten = tuple(w for c in data.concepts for w in c.aliases)
    samples: dict[str, Sample] = {}
    for s in pool(data, "forget", config):
        others = tuple(n for n in s.names if not mentions(n, forgotten))
        if others and s.answer != s.safe_answer and all(mentions(s.answer, (n,)) for n in others):
            samples.setdefault(s.image_key, replace(s, names=others))
    return list(samples.values())


def anchors_of(vlm: VLM, rows: Sequence[Sample], forgotten: torch.Tensor) -> list[Anchor]:
    """Each image's tokens, anchored by their attribution to the names in its row."""
    ids = sft.encode_answers(vlm, answers_of(rows))
    inputs = vlm.inputs([load_image(s.image_key) for s in rows], [s.question for s in rows])
    with tower_outputs(vlm) as outputs:
        logits = rollout.plain_logits(vlm.core, inputs, ids, 1)
    odds = torch.logit(rollout.token_logprobs(logits, ids).double().exp(), eps=1e-9)
    names = [torch.tensor(sorted(word_tokens(vlm, s.names)), device=vlm.device) for s in rows]
    others = torch.stack([torch.isin(i, n) for i, n in zip(ids, names)])
    pooled = outputs[0].pooler_output
    parts = [pooled] if isinstance(pooled, torch.Tensor) else list(pooled)
    attributions = []
    for counted in (others, torch.isin(ids, forgotten)):
        slopes = torch.autograd.grad(odds[counted].sum(), parts, retain_graph=True)
        attributions.append(vlm.by_row([s * p.detach() for s, p in zip(slopes, parts)], inputs))
    before = vlm.by_row([p.detach() for p in parts], inputs)
    return [
        Anchor(tokens, anchor_weight(*(a.sum(1).abs() for a in pair)))
        for tokens, *pair in zip(before, *attributions)
    ]


def anchor_weight(other: torch.Tensor, forgotten: torch.Tensor) -> torch.Tensor:
    """How much each token (P,) is anchored, by the other names' share of its attribution."""
    other, forgotten = (x / x.sum().clamp(min=TINY) for x in (other, forgotten))
    return (other / (other + forgotten).clamp(min=TINY)) ** SHARPNESS
