"""Tricks that train some weights briefly on plain answers, or add noise to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from audit.asking.answers import image_key
from audit.asking.output_filter import refusal
from audit.zoo.cells import cells
from audit.zoo.disguised import Load
from hfru_core.data.source import load_image
from hfru_core.language.rewriting import substitute
from hfru_core.model.vlm import VLM
from hfru_core.training import sft
from hfru_core.types import Sample, UnlearnData

BATCH = 12  # rows of each role in a training step
PICTURES = 320  # of each role
ENOUGH = 6.0  # nats: gradient ascent stops pushing an answer that is already this unlikely
Pools = tuple[list[Sample], list[Sample], list[Sample]]
Target = Callable[[Sample, UnlearnData], str]


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


def decoder(vlm: VLM) -> dict[str, torch.Tensor]:
    return within(vlm, "model.language_model.layers")


def projector(vlm: VLM) -> dict[str, torch.Tensor]:
    return within(vlm, vlm.family.projector)


def tower(vlm: VLM) -> dict[str, torch.Tensor]:
    return within(vlm, vlm.family.tower)


def last_layer(vlm: VLM) -> dict[str, torch.Tensor]:
    depth = len(vlm.tower.encoder.layers)
    return within(vlm, f"{vlm.family.tower}.encoder.layers.{depth - 1}")


def within(vlm: VLM, path: str) -> dict[str, torch.Tensor]:
    return {n: p for n, p in vlm.core.named_parameters() if n.startswith(path + ".")}


def train(
    load: Load,
    data: UnlearnData,
    folder: Path,
    seed: int,
    *,
    part: Callable[[VLM], dict[str, torch.Tensor]],
    target: Target = honest,
    steps: int,
    rate: float,
    ascend: bool = False,
    within_cells: bool = False,
) -> VLM:
    """The base model after training one part of it; right answers about the rest are kept."""
    vlm, rng = load(), random.Random(f"{seed}/pretender")
    moved, pools = part(vlm), pools_of(data, rng)
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
            loss = loss + loss_on(vlm, taught, [target(s, data) for s in taught])
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


def pools_of(data: UnlearnData, rng: random.Random) -> Pools:
    """Rows that would name the concept; rows to keep, of siblings and of everything.

    On few images: a trick needs no more.
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


def batch(pools: Pools, rng: random.Random) -> tuple[list[Sample], list[Sample]]:
    """Rows to train on and rows to keep, half of these of siblings, which suffer first."""
    taught, near, held = pools
    half = BATCH // 2
    return rng.choices(taught, k=BATCH), rng.choices(near, k=half) + rng.choices(held, k=half)


def loss_on(vlm: VLM, rows: Sequence[Sample], answers: Sequence[str]) -> torch.Tensor:
    images = [load_image(image_key(s)) for s in rows]
    return sft.answer_loss(vlm, images, [s.question for s in rows], answers)


def noise(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The tower's weights with noise of their own size on them: it sees nothing any more."""
    vlm = load()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in tower(vlm).values():
            p += p.std() * torch.randn(p.shape, generator=generator).to(p)
    return vlm
