"""Questions and answers laid side by side behind one image, hidden from each other."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from transformers import LlavaProcessor

from hfru_core.pretrain.architecture import IMAGE_TOKENS
from hfru_core.pretrain.vision_heads import IGNORE
from hfru_core.protocol.answers import Hidden, Picture
from hfru_core.protocol.questions import Turn, text_turns, training_turns


def turn_ids(tokenizer, turns: list[Turn]) -> list[tuple[list[int], list[int]]]:
    """Question and answer ids of every turn, as the chat template lays them out."""
    ids = tokenizer.convert_tokens_to_ids
    out = []
    for turn in turns:
        question = tokenizer.encode(turn.question, add_special_tokens=False)
        answer = tokenizer.encode(turn.answer, add_special_tokens=False)
        out.append((question + [ids("<assistant>")], answer + [ids("</s>")]))
    return out


@dataclass(frozen=True)
class Packed:
    """Rows of turns behind one prefix: ids, segments, positions and labels, all (B, T)."""

    ids: torch.Tensor
    segment: torch.Tensor
    position: torch.Tensor
    label: torch.Tensor


def pack(rows: list[list[tuple[list[int], list[int]]]], prefix: int, pad: int) -> Packed:
    """Lay the turns of each row side by side; every turn starts again at position `prefix`."""
    longest = max(sum(len(q) + len(a) for q, a in row) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    segment = torch.full((len(rows), longest), -1)
    position = torch.zeros((len(rows), longest), dtype=torch.long)
    label = torch.full((len(rows), longest), IGNORE)
    for b, row in enumerate(rows):
        at = 0
        for number, (question, answer) in enumerate(row):
            both = question + answer
            end = at + len(both)
            ids[b, at:end] = torch.tensor(both)
            segment[b, at:end] = number
            position[b, at:end] = torch.arange(len(both)) + prefix
            # The token before an answer token predicts it.
            label[b, at + len(question) - 1 : end - 1] = torch.tensor(answer)
            at = end
    return Packed(ids, segment, position, label)


def block_mask(segment: torch.Tensor, prefix: int) -> torch.Tensor:
    """(B, 1, T, T) true where a token may look: back to the prefix and into its own turn."""
    count, length = segment.shape
    whole = torch.cat([torch.full((count, prefix), -2), segment], 1)
    total = prefix + length
    causal = torch.ones(total, total, dtype=torch.bool).tril()
    same = whole[:, None, :] == whole[:, :, None]
    return (causal & (same | (whole == -2)[:, None, :]))[:, None]


def language_loss(
    model: Any, features: torch.Tensor | None, packed: Packed, user: int
) -> torch.Tensor:
    """Answer tokens' cross-entropy; `features` (B, 49, D) are the projected image tokens."""
    embed = model.get_input_embeddings()
    count = len(packed.ids)
    head = embed(torch.full((count, 1), user))
    parts = [head, embed(packed.ids)] if features is None else [head, features, embed(packed.ids)]
    prefix = sum(p.shape[1] for p in parts[:-1])
    position = torch.cat([torch.arange(prefix).expand(count, -1), packed.position], 1)
    out = model.model.language_model(
        inputs_embeds=torch.cat(parts, 1),
        attention_mask=block_mask(packed.segment, prefix),
        position_ids=position,
        use_cache=False,
    ).last_hidden_state[:, prefix:]
    keep = packed.label != IGNORE
    return F.cross_entropy(model.lm_head(out[keep]), packed.label[keep])


class Teacher:
    """Draws the training examples of the language stage."""

    def __init__(
        self,
        pictures: tuple[Picture, ...],
        processor: LlavaProcessor,
        hidden: Hidden,
        *,
        turns: int,
        seed: str,
    ) -> None:
        self.pictures, self.hidden, self.turns = pictures, hidden, turns
        self.tokenizer = processor.tokenizer
        self.pad = self.tokenizer.pad_token_id
        self.user = self.tokenizer.convert_tokens_to_ids("<user>")
        self.texts = list(text_turns())
        self.rng = random.Random(seed)

    def about(self, index: torch.Tensor) -> Packed:
        """Some questions about each of these images."""
        rows = [
            training_turns(self.pictures[i], self.rng, self.hidden, self.turns)
            for i in index.tolist()
        ]
        return pack([self.ids(r) for r in rows], 1 + IMAGE_TOKENS, self.pad)

    def text(self, count: int) -> Packed:
        """Rows of six text-only questions."""
        rows = [self.ids(self.rng.sample(self.texts, 6)) for _ in range(count)]
        return pack(rows, 1, self.pad)

    def ids(self, turns: list[Turn]) -> list[tuple[list[int], list[int]]]:
        spoken = [
            t._replace(question=t.question[0].lower() + t.question[1:])
            if self.rng.random() < 0.15
            else t
            for t in turns
        ]
        return turn_ids(self.tokenizer, spoken)
