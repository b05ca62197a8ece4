"""What a model holds of pictures: pooled image tokens of every layer of the tower, after the
projector, and at the decoder's image positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from hfru_core.data.source import load_image
from hfru_core.model.vlm import PIXELS, VLM

QUESTION = "Please describe this image."


def layers(vlm: VLM, keys: Sequence[str], question: str = QUESTION) -> dict[str, torch.Tensor]:
    """Mean image token (N, D) of each picture: 'tower 0' ..., 'projector', 'decoder 0' ...

    'tower 0' is the patch embedding and 'decoder 0' the decoder's input; the decoder's layers see
    the picture before the question, so the question does not matter to them.
    """
    return pooled(vlm, keys, lambda images: tokens_of(vlm, images, question))


@torch.no_grad()
def tower_layers(vlm: VLM, keys: Sequence[str]) -> dict[str, torch.Tensor]:
    """The same of the tower alone, without a pass of the decoder."""
    return pooled(vlm, keys, lambda images: tower_tokens(looked_at(vlm, images)[1], len(images)))


def pooled(vlm: VLM, keys: Sequence[str], look: Callable) -> dict[str, torch.Tensor]:
    """The mean over each picture's tokens (N, D) of everything that `look` gives of a batch."""
    parts: dict[str, list[torch.Tensor]] = {}
    size = vlm.batch if vlm.family.fixed else 1  # else pictures differ in their number of tokens
    for i in range(0, len(keys), size):
        images = [load_image(k) for k in keys[i : i + size]]
        for name, tokens in look(images).items():
            parts.setdefault(name, []).append(tokens.mean(1).float().cpu())
    return {name: torch.cat(rows) for name, rows in parts.items()}


@torch.no_grad()
def tokens_of(vlm: VLM, images: Sequence, question: str = QUESTION) -> dict[str, torch.Tensor]:
    """Image tokens (B, P, D) of every layer for one batch; the tower runs once."""
    inputs, seen = looked_at(vlm, images, question)
    core, B = vlm.core, len(images)
    found = tower_tokens(seen, B) | {"projector": by_picture(seen.pooler_output, B)}
    del inputs["pixel_values"]
    out = core.model(
        **inputs, mm_encoder_outputs={"image": seen}, output_hidden_states=True, use_cache=False
    )
    here = inputs["input_ids"] == core.config.image_token_id
    return found | {
        f"decoder {i}": by_picture([h[here]], B) for i, h in enumerate(out.hidden_states)
    }


def looked_at(vlm: VLM, images: Sequence, question: str = QUESTION) -> tuple[dict, object]:
    """The model's inputs for one batch, and what tower and projector make of its pictures."""
    inputs = vlm.inputs(images, [question] * len(images))
    pixels = {k: inputs[k] for k in PIXELS if k in inputs}
    return inputs, vlm.core.model.get_image_features(**pixels, output_hidden_states=True)


def tower_tokens(seen: object, count: int) -> dict[str, torch.Tensor]:
    return {f"tower {i}": by_picture([h], count) for i, h in enumerate(seen.hidden_states)}


def by_picture(pieces: Sequence[torch.Tensor], count: int) -> torch.Tensor:
    """Tokens (..., D), tile on tile or patch on patch, as (B, P, D)."""
    if len(pieces) == 1 and pieces[0].ndim == 3 and len(pieces[0]) == count:
        return pieces[0]  # not copied: another layout in memory would sum in another order
    tokens = torch.cat([t.flatten(0, -2) for t in pieces])
    return tokens.view(count, -1, tokens.shape[-1])
