"""What unlearning methods share: the request, batches, log-probabilities of answers.

A method's constants are in `constants` under the paper's names (`config.settings` overrides them);
`published` names those that the paper gives.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import torch
from torch.nn import functional as F

from hfru_core.concepts import slug
from hfru_core.config import HFRUSettings, UnlearnConfig
from hfru_core.data.source import load_image
from hfru_core.model import rollout
from hfru_core.model.vlm import VLM
from hfru_core.model.weights import snapshot, swapped
from hfru_core.training import sft
from hfru_core.types import SCOPES, Role, Sample, UnlearnData, UserError

IDK = ("I don't know.", "I can't tell.", "I don't know what it is.")
# The settings of published methods here; a method's `changes` are what its paper does differently.
PUBLISHED = UnlearnConfig(
    preset="published",
    train_steps=60,
    batch=16,
    retain_batch=16,
    lr=3e-3,
    near_share=0.0,
    select_best=False,
    check_every=1000,
    hfru=HFRUSettings(grpo_steps=0, feature_hold=0.0),  # no second stage
)


class Step(NamedTuple):
    """A loss, the mean of each reward part, and the KL, where a method has them."""

    loss: torch.Tensor
    rewards: dict[str, float] = {}  # noqa: RUF012
    kl: float | None = None


class AnswerLogits(NamedTuple):
    """A model's logits (N, R, V) at given answers, their tokens (N, R), and which count (N, R).

    Where questions are among them, answers begin at `start`.
    """

    logits: torch.Tensor
    ids: torch.Tensor
    mask: torch.Tensor
    start: int = 0

    @property
    def logp(self) -> torch.Tensor:
        """Log-probability (N,) of each answer, the sum over its tokens."""
        return (rollout.token_logprobs(self.logits, self.ids) * self.mask).sum(1)

    @property
    def length(self) -> torch.Tensor:
        """How many tokens (N,) each answer has."""
        return self.mask.sum(1)

    @property
    def nll(self) -> torch.Tensor:
        """Mean negative log-likelihood of all tokens."""
        return F.cross_entropy(self.logits[self.mask], self.ids[self.mask])


class Method:
    """One way to unlearn, applied to one request: a `TrainedMethod` or an `EditedMethod`."""

    label: ClassVar[str]
    source: ClassVar[str]
    variant: ClassVar[str]
    scope: ClassVar[str] = "decoder"  # the paper's; ours where it says nothing of it
    scopes: ClassVar[tuple[str, ...]] = SCOPES
    constants: ClassVar[dict[str, float]] = {}
    published: ClassVar[tuple[str, ...]] = ()
    changes: ClassVar[dict[str, Any]] = {}  # of PUBLISHED

    def __init__(self, vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> None:
        self.vlm, self.data, self.config = vlm, data, config
        unknown = {k for k, _ in config.settings} - set(self.constants)
        if unknown:
            raise UserError(
                f"{self.label} has no setting {', '.join(sorted(unknown))}. It has: "
                f"{', '.join(self.constants) or 'none'}."
            )
        self.c = {**self.constants, **dict(config.settings)}

    @classmethod
    def described(cls, preset: str = "default") -> str:
        """The variant, with the constants that its paper does not give; HFRU has presets."""
        ours = ", ".join(f"{k} {v:g}" for k, v in cls.constants.items() if k not in cls.published)
        return f"{cls.variant}; not published: {ours}" if ours else cls.variant

    def logits_of(
        self, rows: Sequence[Sample], answers: Sequence[str] | None = None
    ) -> AnswerLogits:
        """The model's logits at the right answers, or at others."""
        ids = sft.encode_answers(self.vlm, answers_of(rows) if answers is None else answers)
        logits = rollout.plain_logits(self.vlm.core, self.inputs_of(rows), ids, 1)
        return AnswerLogits(logits, ids, rollout.answer_mask(ids, self.vlm.eos))

    def everywhere(self, rows: Sequence[Sample]) -> AnswerLogits:
        """The model's logits at all that is not padding: images, questions, right answers."""
        ids, asked = sft.encode_answers(self.vlm, answers_of(rows)), self.inputs_of(rows)
        logits = rollout.whole_logits(self.vlm.core, asked, ids)
        seen, start = asked["attention_mask"].bool(), asked["input_ids"].shape[1] - 1
        counted = [seen[:, 1:] & seen[:, :-1], rollout.answer_mask(ids, self.vlm.eos)]
        targets = torch.cat([asked["input_ids"][:, 1:], ids], 1)
        return AnswerLogits(logits, targets, torch.cat(counted, 1), start)

    def in_words(self, rows: Sequence[Sample]) -> AnswerLogits:
        """The model's logits at questions and right answers, without what stands for images."""
        now = self.everywhere(rows)
        return now._replace(mask=now.mask & (now.ids != self.vlm.core.config.image_token_id))

    def inputs_of(self, rows: Sequence[Sample]) -> dict[str, torch.Tensor]:
        """The model's inputs: images and questions."""
        images = [load_image(s.image) if s.image else None for s in rows]
        return self.vlm.inputs(images, [s.question for s in rows])

    def idk(self, rows: Sequence[Sample], rng: random.Random) -> list[str]:
        """A refusal for each row, drawn from a list."""
        return [rng.choice(IDK) for _ in rows]


class EditedMethod(Method):
    """A method that changes the model once, without training: it leaves no adapter."""

    def edit(self) -> VLM:
        """The unlearned model."""
        raise NotImplementedError


class TrainedMethod(Method):
    """A method that trains LoRA, step by step: most give a `loss`, some a whole `backward`."""

    def __init__(self, vlm: VLM, data: UnlearnData, config: UnlearnConfig) -> None:
        super().__init__(vlm, data, config)
        self.reference = snapshot(vlm.trainable())  # kept in checkpoints

    # What a method may override.

    def prepare(self) -> None:
        """Make what is made once, from the original weights."""

    def begin(self, number: int) -> None:
        """Do what comes before a step."""

    def stage(self, number: int) -> str:
        """The name of the stage that a step belongs to."""
        return "unlearn"

    def loss(self, rng: random.Random) -> torch.Tensor:
        """The loss of one batch."""
        raise NotImplementedError

    def backward(self, number: int, rng: random.Random) -> Step:
        """Leave one step's gradients on the weights; each process's mean counts alike."""
        loss = self.loss(rng) / self.vlm.processes.size
        loss.backward()
        return Step(loss)

    # What losses are made of.

    def forget(self, rng: random.Random) -> list[Sample]:
        """This process's part of a batch of forget examples whose answers name the concept."""
        rows = [s for s in pool(self.data, "forget", self.config) if s.answer != s.safe_answer]
        return list(self.vlm.processes.part(draw(rows, self.config.batch, rng)))

    def retain(self, rng: random.Random) -> list[Sample]:
        """This process's part of a batch of retain examples."""
        rows = draw_retain(self.data, self.config, self.config.retain_batch, rng)
        return list(self.vlm.processes.part(rows))

    @contextmanager
    def original(self) -> Iterator[None]:
        """Run with the reference weights, without gradients."""
        with torch.no_grad(), swapped(self.vlm.trainable(), self.reference):
            yield

    def reference_logits(
        self, rows: Sequence[Sample], answers: Sequence[str] | None = None
    ) -> AnswerLogits:
        """The reference model's logits at the right answers, or at others."""
        with self.original():
            return self.logits_of(rows, answers)

    def nll(self, rows: Sequence[Sample], answers: Sequence[str] | None = None) -> torch.Tensor:
        """Mean negative log-likelihood of the right answers' tokens, or of others'."""
        return self.logits_of(rows, answers).nll

    def kl(self, rows: Sequence[Sample]) -> torch.Tensor:
        """KL(original || now) per token of the right answers."""
        return kl(self.reference_logits(rows), self.logits_of(rows))

    def kl_everywhere(self, rows: Sequence[Sample]) -> torch.Tensor:
        """KL(original || now) per token of images, questions and right answers."""
        with self.original():
            before = self.everywhere(rows)
        return kl(before, self.everywhere(rows))


def answers_of(rows: Sequence[Sample]) -> list[str]:
    """The right answers."""
    return [s.answer for s in rows]


def name_tokens(vlm: VLM, data: UnlearnData, cfg: UnlearnConfig) -> list[int]:
    """The token ids of the concepts' names, without those that retain answers contain."""
    names = word_tokens(vlm, [w for c in data.concepts for w in c.aliases])
    shared = {
        i
        for s in pool(data, "retain", cfg)
        for i in vlm.tokenizer.encode(s.answer, add_special_tokens=False)
    }
    return sorted(names - shared)


def word_tokens(vlm: VLM, names: Sequence[str]) -> set[int]:
    """The token ids that words have at the beginning of a text or within it."""
    encode = vlm.tokenizer.encode
    ids = {i for w in names for t in (w, f" {w}") for i in encode(t, add_special_tokens=False)}
    return ids - {vlm.tokenizer.unk_token_id}


def kl(before: AnswerLogits, now: AnswerLogits) -> torch.Tensor:
    """KL(before || now), the mean over the answers' tokens."""
    p, q = before.logits.log_softmax(-1), now.logits.log_softmax(-1)
    return F.kl_div(q[now.mask], p[now.mask], log_target=True, reduction="batchmean")


def pool(data: UnlearnData, role: Role, cfg: UnlearnConfig) -> tuple[Sample, ...]:
    """The training examples of a role about the topics of the settings."""
    return tuple(s for s in data.select(role, "train") if s.topic in cfg.topics)


def draw(samples: Sequence[Sample], count: int, rng: random.Random) -> list[Sample]:
    """`count` samples: first an image, each equally likely, then one of its questions."""
    if count and not samples:
        raise UserError(
            "There is nothing to draw a batch from: no picture or question is left that this "
            "method learns from. Of what is to be forgotten only those samples count whose answer "
            "tells of it: an anonymised request has none, and only the NSPU idea (nspu) learns "
            "from it."
        )
    by_image: dict[str, list[Sample]] = {}
    for s in samples:
        by_image.setdefault(s.image or s.id, []).append(s)
    keys = list(by_image)
    picked = rng.sample(keys, count) if count <= len(keys) else rng.choices(keys, k=count)
    return [rng.choice(by_image[k]) for k in picked]


def draw_retain(
    data: UnlearnData, cfg: UnlearnConfig, count: int, rng: random.Random
) -> list[Sample]:
    """Retain samples, a share `near_share` of them of siblings: what looks alike suffers first."""
    samples = pool(data, "retain", cfg)
    siblings = {slug(s) for c in data.concepts for s in c.siblings}
    near = [s for s in samples if s.concept_id in siblings]
    close = round(cfg.near_share * count) if near else 0
    return [*draw(near, close, rng), *draw(samples, count - close, rng)]
