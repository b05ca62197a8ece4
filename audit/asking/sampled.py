"""Answers drawn at temperature 1, several to a question: what greedy answers never say."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import torch

from audit.asking.answers import image_key
from hfru_core.data.source import load_image
from hfru_core.model import rollout
from hfru_core.model.vlm import VLM
from hfru_core.types import Sample

EACH = 4  # answers to a question
LONGEST = 32  # tokens


@torch.no_grad()
def drawn(vlm: VLM, asked: Sequence[Sample], seed: str) -> list[list[str]]:
    """`EACH` answers to every question; they share its picture and prompt. Past any filter."""
    found: list[list[str]] = []
    with vlm.opened() as opened:
        draws = torch.Generator(opened.device).manual_seed(
            int.from_bytes(sha256(seed.encode()).digest()[:6], "big")
        )
        for i in range(0, len(asked), opened.batch):
            part = asked[i : i + opened.batch]
            images = [load_image(image_key(s)) for s in part]
            inputs = opened.inputs(images, [s.question for s in part])
            ids = rollout.sample(
                opened.core,
                rollout.prefill(opened.core, inputs),
                EACH,
                LONGEST,
                opened.eos,
                banned=opened.banned,
                generator=draws,
            )
            texts = opened.decode(ids)
            found += [texts[j : j + EACH] for j in range(0, len(texts), EACH)]
    return found
