"""Tricks in front of a model whose weights are left as they were: filters, prompts, switches."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from hfru_core.adapters import folder as adapter
from hfru_core.concepts import article_for, mentions, substitute
from hfru_core.data.source import load_image
from hfru_core.model import rollout
from hfru_core.model.vlm import VLM, batches
from hfru_core.types import Concept, UnlearnData

Load = Callable[[], VLM]
Reply = Callable[[Sequence[Image.Image | None], Sequence[str], int], list[str]]


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
    told = " ".join(f"Do not mention {c.name}{'s' * (c.kind == 'object')}." for c in data.concepts)

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
    return tuple(
        sorted(
            i
            for i in found
            if any(map(str.isalpha, tokens.decode([i]))) and i != tokens.unk_token_id
        )
    )


@torch.no_grad()
def answers_without(
    vlm: VLM,
    images: Sequence[Image.Image | None],
    questions: Sequence[str],
    max_new: int,
    banned: Sequence[tuple[int, ...]],
) -> list[str]:
    """Greedy answers in which each row's banned tokens never occur."""
    said = [""] * len(questions)
    for never in dict.fromkeys(banned):
        mine = [i for i, ids in enumerate(banned) if ids == never]
        for part in batches([images[i] for i in mine], vlm.batch):
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
