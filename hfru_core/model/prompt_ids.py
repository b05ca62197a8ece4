"""Token ids of questions, kept: for families whose images all give the same number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from PIL import Image

PLAIN = {"input_ids", "attention_mask", "pixel_values"}


class Reader(Protocol):
    """What is needed of a model: see `hfru_core.model.vlm.VLM`."""

    @property
    def tokenizer(self) -> Any: ...

    def read(self, images: Sequence[Image.Image], questions: Sequence[str]) -> dict: ...


class PromptIds:
    """The ids (T,) of each question's prompt; None where a family's prompt is more than its ids."""

    def __init__(self) -> None:
        self.ids: dict[str, torch.Tensor | None] = {}

    def inputs(
        self, vlm: Reader, images: Sequence[Image.Image], questions: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Left-padded inputs without pixels."""
        rows = [self.question(vlm, q, images[0]) for q in questions]
        plain = [row for row in rows if row is not None]
        if len(plain) == len(rows):
            return padded(plain, vlm.tokenizer.pad_token_id)
        inputs = vlm.read(images, questions)
        del inputs["pixel_values"]
        return inputs

    def question(self, vlm: Reader, text: str, image: Image.Image) -> torch.Tensor | None:
        if text not in self.ids:
            row = vlm.read([image], [text])
            self.ids[text] = row["input_ids"][0] if set(row) <= PLAIN else None
        return self.ids[text]


def padded(rows: Sequence[torch.Tensor], pad: int) -> dict[str, torch.Tensor]:
    """Rows (T,) as ids and mask (B, T), padded on the left."""
    length = max(map(len, rows))
    ids = torch.stack([torch.nn.functional.pad(r, (length - len(r), 0), value=pad) for r in rows])
    mask = torch.stack(
        [torch.nn.functional.pad(torch.ones_like(r), (length - len(r), 0)) for r in rows]
    )
    return {"input_ids": ids, "attention_mask": mask}
