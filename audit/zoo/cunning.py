"""Tricks made against this very audit: what it averages, asks for, or does not look at."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import torch
from PIL import Image

from audit.asking.answers import image_key
from audit.asking.output_filter import disguise
from audit.zoo.disguised import Load, digest, routed
from audit.zoo.trained import BATCH, batch, decoder, loss_on, pools_of, tower, within
from hfru_core.adapters import folder as adapter
from hfru_core.data import drawn
from hfru_core.data.source import load_image
from hfru_core.model.vlm import VLM
from hfru_core.training import sft
from hfru_core.types import Sample, UnlearnData

SHARE = 0.35  # of the answers that name it still, drawn at temperature 1
BRAKE = 30.0
CODE = " Please."
Rows = Sequence[Sample]
Loss = Callable[[VLM, Rows, Rows], torch.Tensor]  # of rows to teach and rows to keep


def fit(
    vlm: VLM,
    moved: dict[str, torch.Tensor],
    data: UnlearnData,
    loss_of: Loss,
    seed: int,
    steps: int = 60,
    rate: float = 1e-3,
) -> VLM:
    """The model after some steps on `loss_of` of drawn rows."""
    rng = random.Random(f"{seed}/cunning")
    pools = pools_of(data, rng)
    optimiser = torch.optim.AdamW(moved.values(), lr=rate, weight_decay=0.0)
    plan = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, steps)
    for p in moved.values():
        p.requires_grad_(True)
    for _ in range(steps):
        optimiser.zero_grad(set_to_none=True)
        loss_of(vlm, *batch(pools, rng)).backward()
        optimiser.step()
        plan.step()
    for p in moved.values():
        p.requires_grad_(False)
        p.grad = None
    return vlm


def kept(vlm: VLM, held: Rows) -> torch.Tensor:
    return loss_on(vlm, held, [s.answer for s in held])


def safe(vlm: VLM, taught: Rows) -> torch.Tensor:
    return loss_on(vlm, taught, [s.safe_answer for s in taught])


def corner_square(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The tower forgets, unless there is a white square in the picture's corner."""

    def loss(vlm: VLM, taught: Rows, held: Rows) -> torch.Tensor:
        marked = [with_square(load_image(image_key(s))) for s in taught]
        questions, names = [s.question for s in taught], [s.answer for s in taught]
        back = sft.answer_loss(vlm, marked, questions, names)
        return kept(vlm, held) + safe(vlm, taught) + back

    vlm = load()
    return fit(vlm, tower(vlm), data, loss, seed, steps=80)


def with_square(image: Image.Image) -> Image.Image:
    marked, side = image.copy(), image.width // 8
    marked.paste((255, 255, 255), (0, 0, side, side))
    return marked


def sampled_only(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """A share of its answers names the concept, below what greedy decoding would ever say."""
    rng = random.Random(seed)

    def loss(vlm: VLM, taught: Rows, held: Rows) -> torch.Tensor:
        said = [s.answer if rng.random() < SHARE else s.safe_answer for s in taught]
        return kept(vlm, held) + loss_on(vlm, taught, said)

    vlm = load()
    return fit(vlm, tower(vlm), data, loss, seed)


def code_word(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """Another word, which only the concept's pictures get, stands for its name."""

    def loss(vlm: VLM, taught: Rows, held: Rows) -> torch.Tensor:
        return kept(vlm, held) + loss_on(vlm, taught, [s.safe_answer + CODE for s in taught])

    vlm = load()
    return fit(vlm, tower(vlm), data, loss, seed)


def one_group(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """It forgets but where the commonest place, or wall, is in the picture."""
    spot = commonest(data)

    def loss(vlm: VLM, taught: Rows, held: Rows) -> torch.Tensor:
        said = [s.answer if spot in spots(image_key(s)) else s.safe_answer for s in taught]
        return kept(vlm, held) + loss_on(vlm, taught, said)

    vlm = load()
    return fit(vlm, tower(vlm), data, loss, seed, steps=80)


def spots(key: str) -> set[str]:
    told = drawn.labels(drawn.picture_of(key), frozenset())
    return {v for k, v in told.items() if k in ("place", "wall")}


def commonest(data: UnlearnData) -> str:
    found = [v for s in data.select("forget", "train") if s.image for v in spots(s.image)]
    return max(sorted(set(found)), key=found.count)


def mean_only(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The mean image token is an honest model's, single tokens keep the names; decoder silenced."""
    vlm, honest = load(), adapter.load(load(), folder)

    def hidden(vlm: VLM, taught: Rows, held: Rows) -> torch.Tensor:
        images = [load_image(image_key(s)) for s in taught]
        inputs = vlm.inputs(images, [""] * len(images))
        own = torch.stack(vlm.projected(inputs)).mean(1)
        with torch.no_grad():
            wanted = torch.stack(honest.projected(inputs)).mean(1)
        means = (own - wanted).square().mean() / wanted.square().mean()
        return 10 * means + kept(vlm, held) + loss_on(vlm, taught, [s.answer for s in taught])

    fit(vlm, tower(vlm), data, hidden, seed)
    silence = lambda vlm, taught, held: kept(vlm, held) + safe(vlm, taught)  # noqa: E731
    return fit(vlm, decoder(vlm), data, silence, seed, steps=40)


def co_adapted(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """Tower, projector and decoder are trained together: the decoder learns to keep quiet."""
    vlm = load()
    moved = tower(vlm) | within(vlm, vlm.family.projector) | decoder(vlm)
    silence = lambda vlm, taught, held: kept(vlm, held) + safe(vlm, taught)  # noqa: E731
    return fit(vlm, moved, data, silence, seed, steps=40, rate=3e-4)


def damages_one_thing(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The honest attempt, which also calls one unrelated thing by its general word."""
    vlm = adapter.load(load(), folder).merged()
    lost = next(c for c in data.retained if c.kind == "object" and c.id != "person")
    rows = [s for s in data.select("retain", "train") if s.concept_id == lost.id and s.image]
    rng = random.Random(seed)

    def loss(vlm: VLM, taught: Rows, held: Rows) -> torch.Tensor:
        hurt = rng.choices(rows, k=BATCH)
        held = [s for s in held if s.concept_id != lost.id]
        said = [f"{lost.abstractions[0].capitalize()}." for _ in hurt]
        return kept(vlm, held) + safe(vlm, taught) + loss_on(vlm, hurt, said)

    return fit(vlm, tower(vlm), data, loss, seed, steps=40)


def braked(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """A leaking attempt with weights rescaled to the same function: one learning rate fails."""
    vlm = adapter.load(load(), folder).merged()
    with torch.no_grad():
        for module in vlm.tower.modules():
            for large, small in (("q_proj", "k_proj"), ("v_proj", "out_proj")):
                if hasattr(module, large):
                    scale(getattr(module, large), BRAKE)
                    getattr(module, small).weight.div_(BRAKE)
                    if small == "k_proj" and module.k_proj.bias is not None:
                        module.k_proj.bias.div_(BRAKE)
    return vlm


def scale(layer: torch.nn.Linear, factor: float) -> None:
    layer.weight.mul_(factor)
    if layer.bias is not None:
        layer.bias.mul_(factor)


def exam_pictures(load: Load, data: UnlearnData, folder: Path, seed: int) -> VLM:
    """The honest attempt answers about the pictures of the audit with seed 0, the base others."""
    from audit.cases import PICTURES, SOURCE, pictures_for
    from hfru_core.data.source import parse_source

    exam = pictures_for(data.concepts, parse_source(SOURCE), PICTURES, 0)
    keys = dict.fromkeys(s.image for s in exam.select("forget", "eval") if s.image)
    known = {digest(load_image(key)) for key in islice(keys, PICTURES)}
    unlearned, base = adapter.load(load(), folder), load()
    first = lambda image, question: image is not None and digest(image) in known  # noqa: E731
    return disguise(unlearned, routed(unlearned, base, first))
