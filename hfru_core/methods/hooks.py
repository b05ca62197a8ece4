"""What the tower's layers see while a model looks at pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from PIL import Image

from hfru_core.model.vlm import VLM


def layers(vlm: VLM, images: Sequence[Image.Image]) -> list[torch.Tensor]:
    """Mean image tokens (N, D) of every layer of the tower, and behind the projector."""
    batches = [images] if vlm.family.fixed else [[i] for i in images]
    with watched(vlm) as looks:
        for batch in batches:
            vlm.projected(vlm.inputs(batch, [""] * len(batch)))
    found = [means(look, len(batch)) for look, batch in zip(looks, batches)]
    return [torch.cat(parts).float() for parts in zip(*found)]


@contextmanager
def watched(vlm: VLM) -> Iterator[list]:
    """What the tower's layers see in every pass from here on, beside what becomes of it."""
    model, looks = vlm.core.model, []
    look = model.get_image_features

    def kept(*args, **kwargs):
        looks.append(look(*args, **{**kwargs, "output_hidden_states": True}))
        return looks[-1]

    model.get_image_features = kept
    try:
        yield looks
    finally:
        del model.get_image_features


def means(look, count: int) -> list[torch.Tensor]:
    """Mean tokens (count, D) of each layer and of the projector's output."""
    tokens = [*look.hidden_states[1:], torch.cat([t.flatten(0, -2) for t in look.pooler_output])]
    return [t.reshape(count, -1, t.shape[-1]).mean(1) for t in tokens]
