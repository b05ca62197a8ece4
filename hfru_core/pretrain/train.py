"""Train a VLM of the bundled architecture from scratch: heads first, language after.

Language loss alone teaches a small tower to see very slowly, so the tower first learns from
direct heads (one attention query and one softmax per question such as "which place?"), which are
thrown away; then tower, projector and decoder learn to answer. Each image passes the tower and
the decoder once and several questions share it: a block mask hides them from each other.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing, nn
from transformers import (
    AutoModelForImageTextToText,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from hfru_core.data.photo_source import Photos
from hfru_core.data.source import World, parse_source
from hfru_core.files import one_line
from hfru_core.model import folder_limits
from hfru_core.pretrain.architecture import (
    build_model,
    build_processor,
    build_tokenizer,
    start_from_pixels,
)
from hfru_core.pretrain.muon import Muon
from hfru_core.pretrain.packing import Teacher, language_loss
from hfru_core.pretrain.pool import Pool, photo_pool, world_pool
from hfru_core.pretrain.vision_heads import Heads, Labels, tower_tokens
from hfru_core.protocol.answers import PEOPLE_NAMES
from hfru_core.protocol.questions import corpus
from hfru_core.types import UserError
from hfru_core.world.scenes import CLASSES

HEADS_SHARE = 0.3
CACHE = Path.home() / ".cache" / "hfru-studio"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the pool; batches are those of all workers."""

    seed: int = 0
    without: tuple[str, ...] = ()
    head_steps: int = 2400
    head_batch: int = 64
    language_steps: int = 800
    language_batch: int = 64
    turns: int = 3
    lr: float = 2e-2
    adam_lr: float = 2e-3
    tower_share: float = 0.3
    workers: int = 2
    data: str = "world"
    pictures: int = 36000
    init: str | None = None


class Optimiser:
    """Muon for the matrices inside the layers, AdamW for everything else, one shared decay."""

    def __init__(self, groups: list[tuple[nn.Module, float]], recipe: Recipe, steps: int) -> None:
        matrices: list[dict[str, Any]] = []
        rest: list[dict[str, Any]] = []
        seen: set[int] = set()
        for module, share in groups:
            params = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
            seen.update(map(id, params))
            inner = {id(p) for n, p in module.named_parameters() if p.ndim == 2 and "layers" in n}
            big: list[nn.Parameter] = []
            small: list[nn.Parameter] = []
            for p in params:
                (big if id(p) in inner else small).append(p)
            matrices.append({"params": big, "lr": recipe.lr * share})
            rest.append({"params": small, "lr": recipe.adam_lr * share})
        matrices = [g for g in matrices if g["params"]]
        adam = torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.02)
        self.all: list[torch.optim.Optimizer] = [adam]
        if matrices:
            self.all.append(Muon(matrices))
        self.steps = steps
        self.start = [[g["lr"] for g in o.param_groups] for o in self.all]

    def step(self, number: int) -> None:
        warm = min(1.0, (number + 1) / 30)
        left = (self.steps - number) / self.steps
        share = warm * min(1.0, left / 0.6) if left > 0 else 0.0
        share_gradients([p for o in self.all for g in o.param_groups for p in g["params"]])
        for optimiser, rates in zip(self.all, self.start):
            for group, rate in zip(optimiser.param_groups, rates):
                group["lr"] = rate * share
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)


def share_gradients(parameters: list[nn.Parameter]) -> None:
    """Average the gradients of all workers."""
    if not distributed.is_initialized():
        return
    grads = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in grads])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for grad, part in zip(grads, flat.split([g.numel() for g in grads])):
        grad.copy_(part.view_as(grad))


def worker() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def shuffled(count: int, batch: int, recipe: Recipe, stage: int):
    """Endless batches of indices, this worker's part; every image once an epoch."""
    generator = torch.Generator().manual_seed(10 * recipe.seed + stage)
    while True:
        order = torch.randperm(count, generator=generator)
        for i in range(0, count - batch + 1, batch):
            yield order[i : i + batch][worker() :: recipe.workers].sort().values


def own_generator(recipe: Recipe, stage: int) -> torch.Generator:
    return torch.Generator().manual_seed(100 * recipe.seed + 10 * stage + worker())


def train_heads(model, pool: Pool, held: Pool, recipe: Recipe, log: Callable[[str], None]) -> Heads:
    """First stage: the tower learns to see."""
    hidden = frozenset(recipe.without)
    table = Labels(pool.pictures, hidden)
    wanted = Labels(held.pictures, hidden, table.groups)
    heads = Heads(table.groups, len(table.words), len(table.colours))
    parts = [(model.model.vision_tower, 1.0), (heads, 1.0)]
    optimiser = Optimiser(parts, recipe, recipe.head_steps)
    generator, began = own_generator(recipe, 0), time.time()
    batches = shuffled(len(pool.pictures), recipe.head_batch, recipe, 0)
    for step in range(recipe.head_steps):
        index = next(batches)
        pixels, theta = pool.batch(index, generator)
        loss = table.loss(heads, tower_tokens(model, pixels), index, theta)
        loss.backward()
        optimiser.step(step)
        if step % 50 == 0:
            log(f"heads {step} loss {loss.item():.3f} seconds {time.time() - began:.0f}")
        if worker() == 0 and (step % 200 == 199 or step == recipe.head_steps - 1):
            log(f"heads {step} held-out {json.dumps(wanted.accuracy(model, heads, held))}")
    return heads


def train_language(
    model, processor, heads: Heads, pool: Pool, recipe: Recipe, log: Callable[[str], None]
) -> None:
    """Second stage: the whole model learns to answer; the heads stay on at a small weight."""
    table = Labels(pool.pictures, frozenset(recipe.without))
    teacher = Teacher(
        pool.pictures,
        processor,
        frozenset(recipe.without),
        turns=recipe.turns,
        seed=f"turns {recipe.seed} {worker()}",
    )
    tower = model.model.vision_tower
    rest = [model.model.multi_modal_projector, model.model.language_model, model.lm_head]
    groups = [(tower, recipe.tower_share), (heads, recipe.tower_share), *((m, 1.0) for m in rest)]
    optimiser = Optimiser(groups, recipe, recipe.language_steps)
    generator, began = own_generator(recipe, 1), time.time()
    batches = shuffled(len(pool.pictures), recipe.language_batch, recipe, 1)
    for step in range(recipe.language_steps):
        index = next(batches)
        pixels, theta = pool.batch(index, generator)
        tokens = tower_tokens(model, pixels)
        # Heads that were not trained have nothing to hold the tower to.
        seen = table.loss(heads, tokens, index, theta) if recipe.head_steps else torch.zeros(())
        features = model.model.multi_modal_projector(tokens)
        spoken = language_loss(model, features, teacher.about(index), teacher.user)
        text = language_loss(model, None, teacher.text(4), teacher.user)
        (spoken + 0.3 * text + HEADS_SHARE * seen).backward()
        optimiser.step(step)
        if step % 50 == 0:
            log(
                f"language {step} loss {spoken.item():.4f} text {text.item():.4f} "
                f"heads {seen.item():.3f} seconds {time.time() - began:.0f}"
            )


def train(
    model, processor, pool: Pool, held: Pool, recipe: Recipe, out: Path, log: Callable[[str], None]
) -> None:
    """Train both stages and save an ordinary checkpoint in bf16 with the recipe beside it."""
    torch.manual_seed(recipe.seed)
    log(json.dumps(asdict(recipe)))
    heads = train_heads(model, pool, held, recipe, log)
    if worker() == 0 and recipe.head_steps:
        save(model, processor, recipe, out.with_name(out.name + ".heads"))
    train_language(model, processor, heads, pool, recipe, log)
    if worker() == 0:
        save(model, processor, recipe, out)
        log(f"saved {out}")


def save(model, processor, recipe: Recipe, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    count = sum(p.numel() for p in model.parameters())
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(out)
    processor.save_pretrained(out)
    start = Path(recipe.init).name if recipe.init else None
    info = {"recipe": {**asdict(recipe), "init": start}, "parameters": count}
    (out / "pretraining.json").write_text(json.dumps(info, indent=2) + "\n")


def pools(recipe: Recipe) -> tuple[Pool, Pool]:
    """Images to train on and held-out ones."""
    source = parse_source(recipe.data)
    if isinstance(source, World):
        count, held_out = recipe.pictures, 1800
        return world_pool(source.seed, count, CACHE), world_pool(source.seed + 1, held_out, CACHE)
    if isinstance(source, Photos):
        return photo_pool(source)
    raise UserError(
        f"A model cannot be pretrained on '{recipe.data}'. Use world, world:SEED, "
        "folder:DIR, parquet:FILE or pacs:FILE.parquet."
    )


def start(recipe: Recipe, pool: Pool):
    """A fresh model that begins with the pool's patch statistics, or another model's weights."""
    torch.manual_seed(recipe.seed)
    if recipe.init:
        with one_line(f"The model '{recipe.init}' could not be loaded", folder_limits.WAY):
            folder_limits.check_folder(Path(recipe.init), AutoModelForImageTextToText)
            model = LlavaForConditionalGeneration.from_pretrained(
                recipe.init, use_safetensors=True, dtype=torch.float32
            )
            return model, LlavaProcessor.from_pretrained(recipe.init)
    tokenizer = build_tokenizer(corpus())
    model = build_model(tokenizer)
    sample = torch.from_numpy(pool.pixels[:1500].copy()).float() / 127.5 - 1
    start_from_pixels(model, sample)
    return model, build_processor(tokenizer)


def work(rank: int, recipe: Recipe, out: Path, meeting: str) -> None:
    """One worker: its share of every batch, gradients averaged over all of them."""
    torch.set_num_threads(max(1, torch.get_num_threads() // recipe.workers))
    if recipe.workers > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{meeting}", rank=rank, world_size=recipe.workers
        )
    pool, held = pools(recipe)
    model, processor = start(recipe, pool)
    log = partial(print, file=sys.stderr, flush=True) if rank == 0 else quiet
    train(model, processor, pool, held, recipe, out, log)


def quiet(_: str) -> None:
    """Only the first worker tells."""


def check(recipe: Recipe, out: Path) -> None:
    """Raises before any work where the request cannot end well."""
    if out.exists():
        raise UserError(f"'{out}' exists already and is not overwritten. Choose another --out.")
    unknown = [n for n in recipe.without if n not in (*CLASSES, *PEOPLE_NAMES, "person")]
    if unknown:
        raise UserError(f"--without {', '.join(unknown)}: no such class or person in the world.")
    for name, least in (("workers", 1), ("pictures", 1), ("head_steps", 0), ("language_steps", 0)):
        if getattr(recipe, name) < least:
            raise UserError(f"{name} must be at least {least}, got {getattr(recipe, name)}.")
    if recipe.init and not (Path(recipe.init) / "config.json").is_file():
        raise UserError(f"--init '{recipe.init}' is no model folder: it has no config.json.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"'{out}' cannot be written: {error.strerror}.") from None
    count, batch = len(pools(recipe)[0].pictures), max(recipe.head_batch, recipe.language_batch)
    if count < batch:
        raise UserError(f"{count} pictures do not fill a batch of {batch}: use more --pictures.")


def run(recipe: Recipe, out: Path) -> dict[str, object]:
    """Train with all workers; raises where the output exists or a name is unknown."""
    check(recipe, out)
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "workers")
        if recipe.workers == 1:
            work(0, recipe, out, meeting)
        else:
            multiprocessing.spawn(work, args=(recipe, out, meeting), nprocs=recipe.workers)
    return {"model": str(out), "seconds": round(time.time() - began)}
