"""A model's image features: pooled image tokens of every layer of the tower, after the projector,
and at the decoder's image positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from hfru_core.data.source import load_image
from hfru_core.model.vlm import PIXELS, VLM

QUESTION = "Please describe this image."


def layers(vlm: VLM, keys: Sequence[str], question: str = QUESTION) -> dict[str, torch.Tensor]:
    """Mean image token (N, D) of each image: 'tower 0' ..., 'projector', 'decoder 0' ...

    'tokens' is the highest value of each feature among the projected tokens: what single tokens
    hold, and a mean hides.
    'tower 0' is the patch embedding and 'decoder 0' the decoder's input. In the decoder the image
    comes before the question, so its features do not depend on the question.
    """
    return pooled(vlm, keys, lambda images: tokens_of(vlm, images, question))


@torch.no_grad()
def tower_layers(vlm: VLM, keys: Sequence[str]) -> dict[str, torch.Tensor]:
    """The same of the tower alone, without a pass of the decoder."""
    return pooled(vlm, keys, lambda images: tower_tokens(encoded(vlm, images)[1], len(images)))


def pooled(vlm: VLM, keys: Sequence[str], look: Callable) -> dict[str, torch.Tensor]:
    """The mean over each image's tokens (N, D) of everything that `look` returns for a batch."""
    parts: dict[str, list[torch.Tensor]] = {}
    size = vlm.batch if vlm.family.fixed else 1  # else images differ in their number of tokens
    for i in range(0, len(keys), size):
        images = [load_image(k) for k in keys[i : i + size]]
        for name, tokens in look(images).items():
            parts.setdefault(name, []).append(tokens.mean(1).float().cpu())
            if name == "projector":
                parts.setdefault("tokens", []).append(tokens.amax(1).float().cpu())
    return {name: torch.cat(rows) for name, rows in parts.items()}


@torch.no_grad()
def tokens_of(vlm: VLM, images: Sequence, question: str = QUESTION) -> dict[str, torch.Tensor]:
    """Image tokens (B, P, D) of every layer for one batch; the tower runs once."""
    inputs, seen = encoded(vlm, images, question)
    core, B = vlm.core, len(images)
    found = tower_tokens(seen, B) | {"projector": by_image(seen.pooler_output, B)}
    del inputs["pixel_values"]
    out = core.model(
        **inputs, mm_encoder_outputs={"image": seen}, output_hidden_states=True, use_cache=False
    )
    here = inputs["input_ids"] == core.config.image_token_id
    return found | {f"decoder {i}": by_image([h[here]], B) for i, h in enumerate(out.hidden_states)}


def encoded(vlm: VLM, images: Sequence, question: str = QUESTION) -> tuple[dict, Any]:
    """The model's inputs for one batch, and the outputs of tower and projector."""
    inputs = vlm.inputs(images, [question] * len(images))
    pixels = {k: inputs[k] for k in PIXELS if k in inputs}
    seen = vlm.core.model.get_image_features(**pixels, output_hidden_states=True)
    return inputs, vlm.as_tokens(seen)


def tower_tokens(seen: Any, count: int) -> dict[str, torch.Tensor]:
    return {f"tower {i}": by_image([h], count) for i, h in enumerate(seen.hidden_states)}


def by_image(pieces: Sequence[torch.Tensor], count: int) -> torch.Tensor:
    """Tokens (..., D), tile on tile or patch on patch, as (B, P, D)."""
    if len(pieces) == 1 and pieces[0].ndim == 3 and len(pieces[0]) == count:
        return pieces[0]  # not copied: another layout in memory would sum in another order
    tokens = torch.cat([t.flatten(0, -2) for t in pieces])
    return tokens.view(count, -1, tokens.shape[-1])
