"""PUBG (Kim et al. 2025, arXiv 2506.02541): ascend, and guide towards the model's own safe words.

The teacher is the original model where it cannot recognise anything: it gets the same image blurred
(the form of arXiv 2606.00105), and its description of that is distilled into the answer to the
sharp one.
The paper asks its models in words to leave the private out, which a small model does not follow.
Direction of the KL, weights and the retain term are not published.
"""

from __future__ import annotations

import random

import torch

from hfru_core.data.images import blurred
from hfru_core.data.source import load_image
from hfru_core.methods.base import AnswerLogits, TrainedMethod, kl
from hfru_core.model import rollout
from hfru_core.training import sft
from hfru_core.types import Sample


class PUBG(TrainedMethod):
    label, source = "PUBG", "arXiv 2506.02541"
    variant = "teacher sees the picture blurred; ascent; retain KL"
    constants = {"ascent": 0.02, "guide": 1.0, "keep": 1.0}

    def guided(self, rows: list[Sample]) -> tuple[AnswerLogits, list[str]]:
        """The original model's answers about the blurred images, and its logits at them."""
        images = [load_image(s.image_key) for s in rows]
        vague = [blurred(i) for i in images]
        questions = [s.question for s in rows]
        with self.original():
            texts = self.vlm.alone().answer(vague, questions, self.config.max_new_tokens)
            ids = sft.encode_answers(self.vlm, texts)
            inputs = self.vlm.inputs(vague, questions)
            logits = rollout.plain_logits(self.vlm.core, inputs, ids, 1)
        return AnswerLogits(logits, ids, rollout.answer_mask(ids, self.vlm.eos)), texts

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows = self.forget(rng)
        teacher, texts = self.guided(rows)
        guide = kl(teacher, self.logits_of(rows, texts))
        away, kept = -self.nll(rows), self.kl(self.retain(rng))
        return self.c["guide"] * guide + self.c["ascent"] * away + self.c["keep"] * kept
