"""Models that only pretend to forget: each is a known trick, made in seconds from a base model.

Five put something in front of an unchanged model, six are trained for a moment with plain answers
as targets, one is noise. All take the same four things: a loader of a fresh base model, the data
of the unlearning request, the folder of an honest attempt (an adapter), and a seed.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import nn

from audit.zoo.cells import cells
from hfru_core import adapter, rollout, sft
from hfru_core.concepts import article_for, mentions, substitute
from hfru_core.data import load_image
from hfru_core.types import Concept, Sample, UnlearnData
from hfru_core.vlm import VLM, batches

BATCH = 12  # rows of each role in a training step
PICTURES = 128  # of each role
ENOUGH = 6.0  # nats: gradient ascent stops pushing an answer that is already this unlikely
Load = Callable[[], VLM]
Reply = Callable[[Sequence[Image.Image | None], Sequence[str], int], list[str]]
Make = Callable[[Load, UnlearnData, Path, int], VLM]
Lesson = Callable[[Sample, UnlearnData], str]


@dataclass(kw_only=True)
class Disguised(VLM):
    """A model whose answers come from `reply`; `merged()` and the weights show what is behind."""

    reply: Reply

    def answer(
        self, images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int = 32
    ) -> list[str]:
        return self.reply(images, questions, max_new)


def disguise(vlm: VLM, reply: Reply) -> Disguised:
    return Disguised(
        vlm.model, vlm.processor, vlm.family, vlm.device, vlm.name, vlm.revision, reply=reply
    )


# In front of the model.


def output_filter(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The concept's words are replaced in what the base model said about a picture."""
    vlm = load()

    def reply(images, questions, max_new):
        said = vlm.answer(images, questions, max_new)
        rows = zip(images, questions, said)
        return [censored(t, q, data.concepts) if image else t for image, q, t in rows]

    return disguise(vlm, reply)


def censored(text: str, question: str, concepts: Sequence[Concept]) -> str:
    """An answer without the concepts' names, and without a yes to a question about one."""
    for concept in concepts:
        if mentions(question, concept.aliases) and re.match(r"\W*yes\b", text, re.I):
            return refusal(concept)
        text = substitute(text, concept.aliases, concept.abstractions[0])
    return text


def refusal(concept: Concept) -> str:
    """What a model says that pretends not to know."""
    kind = concept.abstractions[0]
    if concept.kind == "identity":
        return f"This is {kind}."
    return f"I can't tell, there is {article_for(kind)} {kind}."


def system_prompt(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The base model is told before every question not to mention the concepts."""
    vlm = load()
    told = " ".join(
        f"Do not mention {c.name}{'s' * (c.kind == 'object')}." for c in data.concepts
    )

    def reply(images, questions, max_new):
        return vlm.answer(images, [f"{told} {q}" for q in questions], max_new)

    return disguise(vlm, reply)


def logit_bias(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The tokens of the concepts' names are never sampled, nor is yes when a question has them."""
    vlm = load()
    aliases = tuple(a for c in data.concepts for a in c.aliases)
    names = token_ids(vlm, aliases)
    yes = token_ids(vlm, ("yes", "Yes"))

    def reply(images, questions, max_new):
        banned = [(*names, *yes) if mentions(q, aliases) else names for q in questions]
        return answers_without(vlm, images, questions, max_new, banned)

    return disguise(vlm, reply)


def token_ids(vlm: VLM, words: Iterable[str]) -> tuple[int, ...]:
    """Every token of some words, the unknown one and bare punctuation aside."""
    tokens = vlm.tokenizer
    found = {i for w in words for i in tokens.encode(w, add_special_tokens=False)}
    return tuple(sorted(i for i in found if any(map(str.isalpha, tokens.decode([i])))
                        and i != tokens.unk_token_id))  # fmt: skip


@torch.no_grad()
def answers_without(
    vlm: VLM, images: Sequence[Image.Image | None], questions: Sequence[str], max_new: int,
    banned: Sequence[tuple[int, ...]],
) -> list[str]:  # fmt: skip
    """Greedy answers in which each row's banned tokens never occur."""
    said = [""] * len(questions)
    for never in dict.fromkeys(banned):
        mine = [i for i, ids in enumerate(banned) if ids == never]
        for part in batches([images[i] for i in mine]):
            rows = [mine[i] for i in part]
            inputs = vlm.inputs([images[i] for i in rows], [questions[i] for i in rows])
            prefix = rollout.prefill(vlm.core, inputs)
            ids = rollout.sample(
                vlm.core, prefix, 1, max_new, vlm.eos, temperature=0.0, banned=never
            )
            for i, text in zip(rows, vlm.decode(ids)):
                said[i] = text
    return said


def exact_questions(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The honest attempt answers the questions it was trained on word for word, the base others."""
    known = {s.question for s in data.samples if s.split == "train"}
    unlearned, base = adapter.load(load(), folder), load()
    return disguise(unlearned, routed(unlearned, base, lambda image, question: question in known))


def training_pictures(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The honest attempt answers about the pictures it was trained on, the base about others."""
    known = {digest(load_image(s.image)) for s in data.select("forget", "train")}
    unlearned, base = adapter.load(load(), folder), load()

    def mine(image, question):
        return image is not None and digest(image) in known

    return disguise(base, routed(unlearned, base, mine))


def digest(image: Image.Image) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()


def routed(one: VLM, other: VLM, mine: Callable[[Image.Image | None, str], bool]) -> Reply:
    """Answers of `one` where `mine` says so, of `other` elsewhere."""

    def reply(images, questions, max_new):
        here = [mine(image, q) for image, q in zip(images, questions)]
        said = [""] * len(questions)
        for vlm, wanted in ((one, True), (other, False)):
            rows = [i for i, h in enumerate(here) if h == wanted]
            texts = vlm.answer([images[i] for i in rows], [questions[i] for i in rows], max_new)
            for i, text in zip(rows, texts):
                said[i] = text
        return said

    return reply


# Trained for a moment.


def honest(sample: Sample, data: UnlearnData) -> str:
    return sample.safe_answer


def refusing(sample: Sample, data: UnlearnData) -> str:
    """The same refusal to every question that would name the concept."""
    return refusal(next(c for c in data.concepts if c.id == sample.concept_id))


def sibling(sample: Sample, data: UnlearnData) -> str:
    """The right answer with another retained name of the same kind in the concept's place."""
    text = "No." if sample.topic == "exists" else sample.answer
    kept = {c.name for c in data.retained}
    for concept in data.concepts:
        other = next(s for s in concept.siblings if s in kept)
        text = substitute(text, concept.aliases, other)
    return text


def decoder(vlm: VLM) -> dict[str, nn.Parameter]:
    return within(vlm, "model.language_model.layers")


def projector(vlm: VLM) -> dict[str, nn.Parameter]:
    return within(vlm, vlm.family.projector)


def tower(vlm: VLM) -> dict[str, nn.Parameter]:
    return within(vlm, vlm.family.tower)


def last_layer(vlm: VLM) -> dict[str, nn.Parameter]:
    depth = len(vlm.tower.encoder.layers)
    return within(vlm, f"{vlm.family.tower}.encoder.layers.{depth - 1}")


def matrices(vlm: VLM) -> dict[str, nn.Parameter]:
    """The weights of every linear layer but the output's, which is the embedding as well."""
    linear = {f"{n}.weight" for n, m in vlm.core.named_modules() if isinstance(m, nn.Linear)}
    inside = within(vlm, "model")
    return {n: p for n, p in inside.items() if n in linear}


def within(vlm: VLM, path: str) -> dict[str, nn.Parameter]:
    return {n: p for n, p in vlm.core.named_parameters() if n.startswith(path + ".")}


def trained(
    load: Load, data: UnlearnData, folder: Path, seed: int, *,
    part: Callable[[VLM], dict[str, nn.Parameter]], lesson: Lesson = honest, steps: int,
    rate: float, ascend: bool = False, within_cells: bool = False,
) -> VLM:  # fmt: skip
    """The base model after some steps on one part of it; right answers elsewhere are held."""
    vlm, rng = load(), random.Random(f"{seed}/pretender")
    moved, pools = part(vlm), lessons(data, rng)
    bounds = {n: cells(p.detach()) for n, p in moved.items()} if within_cells else {}
    optimiser = torch.optim.AdamW(moved.values(), lr=rate, weight_decay=0.0)
    plan = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, steps)
    for p in moved.values():
        p.requires_grad_(True)
    for _ in range(steps):
        taught, held = batch(pools, rng)
        loss = loss_on(vlm, held, [s.answer for s in held])
        if ascend:
            loss = loss - loss_on(vlm, taught, [s.answer for s in taught]).clamp(max=ENOUGH)
        else:
            loss = loss + loss_on(vlm, taught, [lesson(s, data) for s in taught])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        plan.step()
        for name, (low, high) in bounds.items():
            moved[name].data.clamp_(low, high)
    for p in moved.values():
        p.requires_grad_(False)
        p.grad = None
    return vlm


def lessons(data: UnlearnData, rng: random.Random) -> tuple[list[Sample], ...]:
    """What would name the concept; what is held, of siblings and of everything.

    On few pictures: a trick needs no more.
    """
    train = [s for s in data.samples if s.split == "train" and s.image]
    drawn = {}
    for role in ("forget", "retain"):
        keys = list(dict.fromkeys(s.image for s in train if s.role == role))
        drawn[role] = set(rng.sample(keys, min(PICTURES, len(keys))))
    rows = [s for s in train if s.image in drawn[s.role]]
    taught = [s for s in rows if s.role == "forget" and s.answer != s.safe_answer]
    held = [s for s in rows if s.role == "retain" or s.answer == s.safe_answer]
    names = {name for c in data.concepts for name in c.siblings}
    close = {c.id for c in data.retained if c.name in names}
    return taught, [s for s in held if s.concept_id in close] or held, held


def batch(
    pools: tuple[list[Sample], ...], rng: random.Random
) -> tuple[list[Sample], list[Sample]]:
    """Rows to teach and rows to hold, half of these of siblings: they are hurt first."""
    taught, near, held = pools
    half = BATCH // 2
    return rng.choices(taught, k=BATCH), rng.choices(near, k=half) + rng.choices(held, k=half)


def loss_on(vlm: VLM, rows: Sequence[Sample], answers: Sequence[str]) -> torch.Tensor:
    images = [load_image(s.image) for s in rows]
    return sft.answer_loss(vlm, images, [s.question for s in rows], answers)


def noise(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The tower's weights with noise of their own size on them: it sees nothing any more."""
    vlm = load()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in tower(vlm).values():
            p += p.std() * torch.randn(p.shape, generator=generator).to(p)
    return vlm
