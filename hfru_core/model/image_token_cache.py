"""Projected image tokens of one model, kept so that many questions need one pass of the tower.

Only for a model whose weights stay as they are, and for families whose images all give the same
number of image tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from PIL import Image

from hfru_core.model.families import Family
from hfru_core.model.prompt_ids import PromptIds

MOST = 256 * 2**20  # bytes of image tokens that are kept


class Encoder(Protocol):
    """What the cache needs of a model: see `hfru_core.model.vlm.VLM`."""

    @property
    def tokenizer(self) -> Any: ...

    @property
    def family(self) -> Family: ...

    def inputs(self, images: Sequence[Image.Image], questions: Sequence[str]) -> dict: ...

    def read(self, images: Sequence[Image.Image], questions: Sequence[str]) -> dict: ...

    def projected(self, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]: ...


class ImageTokenCache:
    """Projected image tokens by image and token ids by question, of one model."""

    def __init__(self) -> None:
        # The image is kept beside its tokens: while it lives, no other has its identity.
        self.seen: dict[int, tuple[Image.Image, torch.Tensor]] = {}
        self.prompts = PromptIds()

    def inputs(
        self, vlm: Encoder, images: Sequence[Image.Image], questions: Sequence[str]
    ) -> dict[str, Any]:
        """Left-padded inputs with image tokens in place of pixels."""
        tokens = self.tokens(vlm, images)
        inputs = self.prompts.inputs(vlm, images, questions)
        seen = SimpleNamespace(pooler_output=list(tokens) if vlm.family.listed else tokens)
        return {**inputs, "mm_encoder_outputs": {"image": seen}}

    def tokens(self, vlm: Encoder, images: Sequence[Image.Image]) -> torch.Tensor:
        """Projected image tokens (B, P, D); only new images go through the tower."""
        fresh = list({id(i): i for i in images if id(i) not in self.seen}.values())
        if fresh:
            if self.size() > MOST:
                self.seen.clear()
                fresh = list({id(i): i for i in images}.values())
            projected = vlm.projected(vlm.inputs(fresh, [""] * len(fresh)))
            self.seen |= {id(i): (i, t) for i, t in zip(fresh, projected)}
        return torch.stack([self.seen[id(i)][1] for i in images])

    def size(self) -> int:
        """Bytes of all tokens kept."""
        return sum(t.nbytes for _, t in self.seen.values())
