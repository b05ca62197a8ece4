"""Tricks in front of a model whose weights stay as they are: filters, prompts, switches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from PIL import Image

from audit.asking.answers import image_key
from audit.asking.output_filter import Reply, disguise, filtered
from hfru_core.adapters import folder as adapter
from hfru_core.data.source import load_image
from hfru_core.language.mentions import mentions
from hfru_core.model import rollout
from hfru_core.model.vlm import VLM, batches
from hfru_core.types import UnlearnData

Load = Callable[[], VLM]


def output_filter(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The concept's words are replaced in the base model's answers about images."""
    return filtered(load(), data.concepts)


def system_prompt(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The base model gets, before every question, the order not to mention the concepts."""
    vlm = load()
    order = " ".join(f"Do not mention {c.name}{'s' * (c.kind == 'object')}." for c in data.concepts)

    def reply(images, questions, max_new):
        return vlm.answer(images, [f"{order} {q}" for q in questions], max_new)

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
    """Every token of some words, except the unknown one and bare punctuation."""
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
    answers = [""] * len(questions)
    for never in dict.fromkeys(banned):
        alike = [i for i, ids in enumerate(banned) if ids == never]
        for part in batches([images[i] for i in alike], vlm.batch):
            rows = [alike[i] for i in part]
            inputs = vlm.inputs([images[i] for i in rows], [questions[i] for i in rows])
            prefix = rollout.prefill(vlm.core, inputs)
            ids = rollout.sample(
                vlm.core, prefix, 1, max_new, vlm.eos, temperature=0.0, banned=never
            )
            for i, text in zip(rows, vlm.decode(ids)):
                answers[i] = text
    return answers


def exact_questions(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The honest attempt answers the questions it was trained on word for word, the base others."""
    known = {s.question for s in data.samples if s.split == "train"}
    unlearned, base = adapter.load(load(), folder), load()
    return disguise(unlearned, routed(unlearned, base, lambda image, question: question in known))


def training_pictures(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The honest attempt answers about the images it was trained on, the base about others."""
    known = {digest(load_image(image_key(s))) for s in data.select("forget", "train")}
    unlearned, base = adapter.load(load(), folder), load()

    def trained_on(image, question):
        return image is not None and digest(image) in known

    return disguise(base, routed(unlearned, base, trained_on))


def digest(image: Image.Image) -> bytes:
    return hashlib.sha256(image.tobytes()).digest()


def routed(one: VLM, other: VLM, first: Callable[[Image.Image | None, str], bool]) -> Reply:
    """Answers of `one` where `first` is true, of `other` elsewhere."""

    def reply(images, questions, max_new):
        here = [first(image, q) for image, q in zip(images, questions)]
        answers = [""] * len(questions)
        for vlm, wanted in ((one, True), (other, False)):
            rows = [i for i, h in enumerate(here) if h == wanted]
            texts = vlm.answer([images[i] for i in rows], [questions[i] for i in rows], max_new)
            for i, text in zip(rows, texts):
                answers[i] = text
        return answers

    return reply
