"""SIU (Li et al. 2024, arXiv 2405.12523): one image of a concept, four kinds of target.

(1) Another name, as for things never seen; (2) another description; (3) text about the name stays;
(4) other concepts stay. Cross-entropy and a dual masked KL: not on tokens that contradict what was
known, not on the vocabulary of the name. Deviates: (1) is the name of a sibling that exists instead
of an invented one, so that the bench counts it as hallucinated; (2) is the description of another
image; (3) is left out where a source has no text; what is adapted is not published.
"""

from __future__ import annotations

import random
from dataclasses import replace

import torch

from hfru_core.data.request_variants import text_samples
from hfru_core.methods.base import AnswerLogits, TrainedMethod, draw, name_tokens
from hfru_core.methods.wrong_names import with_wrong_names
from hfru_core.types import Sample


class SIU(TrainedMethod):
    label, source = "SIU", "arXiv 2405.12523"
    variant = "one picture a concept, four targets, one wrong name each, dual masked KL"
    scope = "all"
    constants = {"alpha": 0.9, "beta": 0.75, "pictures": 1}
    published = ("alpha", "beta", "pictures")
    changes = {"lr": 8e-3}

    def prepare(self) -> None:
        self.data = with_wrong_names(self.vlm, self.data, self.config.topics, self.config.seed)
        few: dict[str, list[str]] = {}
        for s in self.data.select("forget", "train"):
            keys = few.setdefault(s.concept_id, [])
            if s.image_key not in keys and len(keys) < self.c["pictures"]:
                keys.append(s.image_key)
        seen = {key for keys in few.values() for key in keys}
        self.few = [
            s
            for s in self.data.select("forget", "train")
            if s.image in seen and s.topic in self.config.topics
        ]
        self.text = text_samples(self.data)
        self.names = name_tokens(self.vlm, self.data, self.config)

    def targets(self, rng: random.Random) -> list[Sample]:
        """A batch of the first two kinds: images with new answers."""
        quarter = self.config.batch // 2
        renamed = [replace(s, answer=s.safe_answer) for s in draw_answers(self.few, quarter, rng)]
        others = [s for s in self.data.select("retain", "train") if s.topic == "describe"]
        asked = [s for s in self.few if s.topic == "describe"] or self.few
        described = [
            replace(s, answer=rng.choice(others).answer) for s in draw_answers(asked, quarter, rng)
        ]
        return [*renamed, *described]

    def loss(self, rng: random.Random) -> torch.Tensor:
        parts = [(self.targets(rng), False), (self.retain(rng), True)]
        if self.text:
            parts.append((draw(self.text, self.config.retain_batch // 2, rng), True))
        total = torch.zeros((), device=self.vlm.device)
        for rows, known in parts:
            now = self.logits_of(rows)
            total = total + self.c["alpha"] * now.nll / len(parts)
            held = self.masked_kl(self.reference_logits(rows), now, known)
            total = total + self.c["beta"] * held / len(parts)
        return total

    def masked_kl(self, before: AnswerLogits, now: AnswerLogits, known: bool) -> torch.Tensor:
        """KL(before || now) per token, without new answers' tokens and without the names."""
        p, q = before.logits.log_softmax(-1), now.logits.log_softmax(-1)
        names = torch.tensor(self.names, device=p.device, dtype=torch.long)
        each = (p.exp() * (p - q)).index_fill(-1, names, 0.0).sum(-1)
        # A new answer contradicts where the original would have said something else.
        agrees = now.mask if known else now.mask & (before.logits.argmax(-1) == before.ids)
        return (each * agrees).sum() / agrees.sum().clamp(min=1)


def draw_answers(rows: list[Sample], count: int, rng: random.Random) -> list[Sample]:
    return [rng.choice(rows) for _ in range(count)]
