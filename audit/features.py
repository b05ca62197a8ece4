"""What a model holds of pictures: pooled image tokens of every layer of the tower, after the
projector, and at the decoder's image positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hfru_core.data import load_image
from hfru_core.vlm import BATCH, VLM

QUESTION = "Please describe this image."


def layers(vlm: VLM, keys: Sequence[str], question: str = QUESTION) -> dict[str, torch.Tensor]:
    """Mean image token (N, D) of each picture: 'tower 0' ..., 'projector', 'decoder 0' ...

    'tower 0' is the patch embedding and 'decoder 0' the decoder's input; the decoder's layers see
    the picture before the question, so the question does not matter to them.
    """
    parts: dict[str, list[torch.Tensor]] = {}
    for i in range(0, len(keys), BATCH):
        images = [load_image(k) for k in keys[i : i + BATCH]]
        for name, tokens in tokens_of(vlm, images, question).items():
            parts.setdefault(name, []).append(tokens.mean(1).float().cpu())
    return {name: torch.cat(rows) for name, rows in parts.items()}


@torch.no_grad()
def tokens_of(vlm: VLM, images: Sequence, question: str = QUESTION) -> dict[str, torch.Tensor]:
    """Image tokens (B, P, D) of every layer for one batch; the tower runs once."""
    inputs = vlm.inputs(images, [question] * len(images))
    core = vlm.core
    seen = core.model.get_image_features(
        pixel_values=inputs.pop("pixel_values"), output_hidden_states=True
    )
    found = {f"tower {i}": h for i, h in enumerate(seen.hidden_states)}
    found["projector"] = torch.stack(list(seen.pooler_output))
    out = core.model(
        **inputs, mm_encoder_outputs={"image": seen}, output_hidden_states=True, use_cache=False
    )
    here = inputs["input_ids"] == core.config.image_token_id
    for i, hidden in enumerate(out.hidden_states):
        found[f"decoder {i}"] = hidden[here].view(len(images), -1, hidden.shape[-1])
    return found
