"""Supervised steps on given answers: HFRU's first stage, and the audit's relearning attack."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch.nn import functional as F

from hfru_core.model import rollout
from hfru_core.model.vlm import VLM


def encode_answers(vlm: VLM, answers: Sequence[str]) -> torch.Tensor:
    """Token ids (B, R) of the answers, each closed and padded with the end token."""
    encode, end = vlm.tokenizer.encode, [vlm.eos[0]]
    rows = [encode(vlm.as_text(a), add_special_tokens=False) + end for a in answers]
    longest = max(map(len, rows))
    padded = [row + [vlm.eos[0]] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, device=vlm.device)


def tokens(vlm: VLM, answers: Sequence[str]) -> int:
    """How many tokens the answers have, end tokens included."""
    return int(rollout.answer_mask(encode_answers(vlm, answers), vlm.eos).sum())


def answer_loss(
    vlm: VLM,
    images: Sequence[Image.Image | None],
    questions: Sequence[str],
    answers: Sequence[str],
    of: int | None = None,
) -> torch.Tensor:
    """Mean negative log-likelihood of the answers' tokens, prompts masked.

    The mean is over `of` tokens where other processes hold the rest.
    """
    ids = encode_answers(vlm, answers)
    mask = rollout.answer_mask(ids, vlm.eos)
    logits = rollout.plain_logits(vlm.core, vlm.inputs(images, questions), ids, 1)
    mean = F.cross_entropy(logits[mask], ids[mask])
    return mean if of is None else mean * (int(mask.sum()) / of)
