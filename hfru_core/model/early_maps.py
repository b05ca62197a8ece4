"""What the first blocks of a tower of convolutions see in pictures, computed once for a session.

LoRA leaves these blocks as they are (`families.first_adapted`), so nothing that a session trains
changes what they see; they hold most of the tower's pixels, and so most of its cost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from PIL import Image

from hfru_core.model.families import first_adapted
from hfru_core.model.prompt_ids import PromptIds, Reader

MOST = 512 * 2**20  # bytes of maps that are kept


class EarlyMaps:
    """Maps (C, H, W) by picture and token ids by question, of one tower."""

    def __init__(self, tower: Any) -> None:
        self.count = first_adapted(tower.config)
        self.blocks: list[Any] = [tower.embeddings, *tower.encoder.blocks[: self.count]]
        self.on = False  # whether the tower takes maps in place of pixels
        self.seen: dict[bytes, torch.Tensor] = {}
        self.prompts = PromptIds()

    def inputs(
        self, vlm: Reader, images: Sequence[Image.Image], questions: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Left-padded inputs with these maps in place of pixels."""
        maps = self.maps(vlm, images)
        ids = self.prompts.inputs(vlm, images, questions)
        return {**ids, "pixel_values": maps}

    @torch.no_grad()
    def maps(self, vlm: Reader, images: Sequence[Image.Image]) -> torch.Tensor:
        """The maps (B, C, H, W); only new pictures go through the blocks."""
        keys = [content(image) for image in images]
        fresh = {k: i for k, i in zip(keys, images) if k not in self.seen}
        if fresh and sum(m.nbytes for m in self.seen.values()) > MOST:
            self.seen.clear()
            fresh = dict(zip(keys, images))
        if fresh:
            hidden = vlm.read(list(fresh.values()), [""] * len(fresh))["pixel_values"]
            for block in self.blocks:
                hidden = type(block).forward(block, hidden)
            self.seen |= dict(zip(fresh, hidden.clone()))
        return torch.stack([self.seen[k] for k in keys])


class Adapted(Protocol):
    """A model that may keep early maps: see `hfru_core.model.vlm.VLM`."""

    early: EarlyMaps | None

    @property
    def tower(self) -> Any: ...


def content(image: Image.Image) -> bytes:
    """A digest of a picture's pixels."""
    return hashlib.blake2b(image.tobytes(), key=repr(image.size).encode()).digest()


@contextmanager
def early_maps_kept(vlm: Adapted) -> Iterator[None]:
    """Let a model whose first blocks nothing adapts compute them once a picture, for a while.

    What was seen stays with the model for the next time.
    """
    if not first_adapted(vlm.tower.config):
        yield
        return
    vlm.early = vlm.early or EarlyMaps(vlm.tower)
    with passed_through(vlm.early):
        yield


@contextmanager
def passed_through(early: EarlyMaps) -> Iterator[None]:
    """Let the first blocks hand on what they get; their weights stay where they are."""
    early.on = True
    for block in early.blocks:
        block.forward = handed_on
    try:
        yield
    finally:
        early.on = False
        for block in early.blocks:
            del block.forward


def handed_on(hidden: torch.Tensor) -> torch.Tensor:
    return hidden
