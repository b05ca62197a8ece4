"""Supervised steps on given answers: HFRU's first stage, and the audit's relearning attack."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch.nn import functional as F

from hfru_core import rollout
from hfru_core.vlm import VLM


def encode_answers(vlm: VLM, answers: Sequence[str]) -> torch.Tensor:
    """Token ids (B, R) of the answers, each closed and padded with the end token."""
    rows = [vlm.tokenizer.encode(a, add_special_tokens=False) + [vlm.eos[0]] for a in answers]
    longest = max(map(len, rows))
    padded = [row + [vlm.eos[0]] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, device=vlm.device)


def answer_loss(
    vlm: VLM, images: Sequence[Image.Image | None], questions: Sequence[str], answers: Sequence[str]
) -> torch.Tensor:
    """Mean negative log-likelihood of the answers' tokens, prompts masked."""
    ids = encode_answers(vlm, answers)
    mask = rollout.answer_mask(ids, vlm.eos)
    logits = rollout.plain_logits(vlm.core, vlm.inputs(images, questions), ids, 1)
    return F.cross_entropy(logits[mask], ids[mask])
