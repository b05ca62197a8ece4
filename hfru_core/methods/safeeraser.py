"""Prompt decoupling (SafeEraser, Chen et al. 2025, arXiv 2502.12520): the image decides.

Beside each loss, questions of the forget set are asked about harmless images and answered
normally, so that wording alone is never refused. Weights as in its repository. Deviates: harmless
images are retained ones instead of generated ones; KL leaves padding out; LoRA on the decoder with
the whole projector is replaced by the scope chosen. Where a request asks about all images in the
same words, only "is there any ...?" is new in it.
"""

from __future__ import annotations

import random
from dataclasses import replace

import torch

from hfru_core.data.source import parse_source
from hfru_core.methods.base import TrainedMethod, draw
from hfru_core.types import Sample, UserError


class Decoupled(TrainedMethod):
    """A loss and its harmless counterparts."""

    source = "arXiv 2502.12520"
    published = ("decoupling",)

    def prepare(self) -> None:
        """Ask forget questions about retained images, which they are harmless about."""
        asked, kinds = self.asked(), {c.kind for c in self.data.concepts}
        alike = {c.id for c in self.data.retained if c.kind in kinds}
        kept = [s for s in self.data.select("retain", "train") if s.image]
        rest = [s for s in kept if s.topic in self.config.topics and s.topic != "exists"]
        self.harmless = [
            worded(s, asked.get(s.topic, []), i) if s.concept_id in alike else s
            for i, s in enumerate(rest)
        ]
        self.harmless += [
            replace(s, question=q, answer="No.")
            for s in kept
            if s.topic == "exists"
            for q in asked.get("exists", ())
        ]
        if not self.harmless:
            name = parse_source(self.data.source).public_name
            raise UserError(
                f"{self.label} needs harmless pictures to ask the same questions about, and "
                f"'{name}' has no retained pictures. Add some, or "
                "choose a method without prompt decoupling."
            )

    def asked(self) -> dict[str, list[str]]:
        """The questions of the forget set by topic."""
        found: dict[str, set[str]] = {}
        for s in self.data.select("forget", "train"):
            found.setdefault(s.topic, set()).add(s.question)
        return {topic: sorted(questions) for topic, questions in found.items()}

    def decoupled(self, rng: random.Random) -> torch.Tensor:
        rows: list[Sample] = draw(self.harmless, self.config.retain_batch, rng)
        return self.c["decoupling"] * self.nll(list(self.vlm.processes.part(rows)))


def worded(sample: Sample, asked: list[str], number: int) -> Sample:
    """A retained sample in the forget set's words, if it is not asked in them already."""
    if not asked or sample.question in asked:
        return sample
    return replace(sample, question=asked[number % len(asked)])


class GAPD(Decoupled):
    label, variant, constants = "GA+PD", "ascent", {"decoupling": 0.5}

    def loss(self, rng: random.Random) -> torch.Tensor:
        return -self.nll(self.forget(rng)) + self.decoupled(rng)


class GDPD(Decoupled):
    label, variant, constants = "GradDiff+PD", "ascent, half a retain NLL", {"decoupling": 0.5}

    def loss(self, rng: random.Random) -> torch.Tensor:
        kept = 0.5 * self.nll(self.retain(rng))
        return -self.nll(self.forget(rng)) + kept + self.decoupled(rng)


class KLPD(Decoupled):
    label, variant, constants = (
        "KL+PD",
        "ascent, KL on retain at all positions",
        {"decoupling": 1.0},
    )

    def loss(self, rng: random.Random) -> torch.Tensor:
        return (
            -self.nll(self.forget(rng)) + self.kl_everywhere(self.retain(rng)) + self.decoupled(rng)
        )


class IdkPD(Decoupled):
    label, variant, constants = "Idk+PD", "refusal and retain in one NLL", {"decoupling": 1.0}

    def loss(self, rng: random.Random) -> torch.Tensor:
        rows, kept = self.forget(rng), self.retain(rng)
        answers = [*self.idk(rows, rng), *(s.answer for s in kept)]
        return self.nll([*rows, *kept], answers) + self.decoupled(rng)
