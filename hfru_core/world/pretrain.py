"""Train a VLM of the bundled architecture from scratch: heads first, language after.

Language loss alone teaches a small tower to see very slowly, so the tower first learns from
direct heads (one attention query and one softmax per question such as "which place?"), which are
thrown away; then tower, projector and decoder learn to answer. Each picture passes the tower and
the decoder once and several questions share it: a block mask hides them from each other.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from transformers import LlavaForConditionalGeneration, LlavaProcessor

from hfru_core.world.build import IMAGE_SIZE, IMAGE_TOKENS, WIDTH
from hfru_core.world.dataset import labels
from hfru_core.world.language import Hidden, Turn, text_turns, training_turns
from hfru_core.world.muon import Muon
from hfru_core.world.pool import Pool

IGNORE = -100
import os
STOP=int(os.environ.get('STOP','0'))


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the pool."""

    seed: int = 0
    without: tuple[str, ...] = ()
    head_steps: int = 1000
    head_batch: int = 128
    language_steps: int = 700
    language_batch: int = 64
    turns: int = 4
    lr: float = 2e-2
    adam_lr: float = 2e-3
    tower_share: float = 0.3
    init: str | None = None


class Heads(nn.Module):
    """One attention query and one softmax for every group of labels."""

    def __init__(self, groups: dict[str, tuple[str, ...]]) -> None:
        super().__init__()
        self.groups = groups
        most = max(len(v) for v in groups.values())
        self.norm = nn.LayerNorm(WIDTH)
        self.queries = nn.Parameter(torch.randn(len(groups), WIDTH) * 0.5)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.weight = nn.Parameter(torch.randn(len(groups), WIDTH, most) * WIDTH**-0.5)
        widths = torch.tensor([len(v) for v in groups.values()])
        self.register_buffer("unused", torch.arange(most)[None] >= widths[:, None])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (B, P, D) -> logits (B, groups, values)."""
        tokens = self.norm(tokens)
        queries = self.queries.expand(len(tokens), -1, -1)
        read, _ = self.attention(queries, tokens, tokens, need_weights=False)
        logits = torch.einsum("bqd,qdv->bqv", read, self.weight)
        return logits.masked_fill(self.unused, -1e4)


def label_table(
    pool: Pool, hidden: Hidden
) -> tuple[dict[str, tuple[str, ...]], torch.Tensor]:
    """The groups with their values, and the targets (N, groups) with IGNORE where none applies."""
    rows = [labels(p, hidden) for p in pool.pictures]
    values: dict[str, set[str]] = {}
    for row in rows:
        for group, value in row.items():
            values.setdefault(group, set()).add(value)
    groups = {g: tuple(sorted(v)) for g, v in sorted(values.items())}
    for group in groups:
        if group.startswith("has "):
            groups[group] = ("no", "yes")
    target = torch.full((len(rows), len(groups)), IGNORE)
    for column, (group, names) in enumerate(groups.items()):
        index = {v: i for i, v in enumerate(names)}
        for n, row in enumerate(rows):
            if group in row:
                target[n, column] = index[row[group]]
            elif group.startswith("has ") and "main" in row:
                target[n, column] = 0
    return groups, target


class Optimiser:
    """Muon for the matrices inside the layers, AdamW for everything else, one shared decay."""

    def __init__(self, groups: list[tuple[nn.Module, float]], recipe: Recipe, steps: int) -> None:
        matrices, rest, seen = [], [], set()
        for module, share in groups:
            params = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
            seen.update(map(id, params))
            inner = {id(p) for n, p in module.named_parameters() if p.ndim == 2 and "layers" in n}
            big, small = [], []
            for p in params:
                (big if id(p) in inner else small).append(p)
            matrices.append({"params": big, "lr": recipe.lr * share})
            rest.append({"params": small, "lr": recipe.adam_lr * share})
        matrices = [g for g in matrices if g["params"]]
        self.all = [torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.02)]
        if matrices:
            self.all.append(Muon(matrices))
        self.steps = steps
        self.start = [[g["lr"] for g in o.param_groups] for o in self.all]

    def step(self, number: int) -> None:
        warm = min(1.0, (number + 1) / 30)
        left = (self.steps - number) / self.steps
        share = warm * min(1.0, left / 0.6) if left > 0 else 0.0
        for optimiser, rates in zip(self.all, self.start):
            for group, rate in zip(optimiser.param_groups, rates):
                group["lr"] = rate * share
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)


def tower_tokens(model: LlavaForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    out = model.model.vision_tower(pixels, output_hidden_states=True)
    return out.hidden_states[model.config.vision_feature_layer]


def head_loss(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over the groups that apply, each with its weight."""
    loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=IGNORE,
                           reduction="none")  # fmt: skip
    weight = weight.expand_as(target) * (target != IGNORE)
    return (loss.view_as(target) * weight).sum() / weight.sum()


def group_weights(groups: dict[str, tuple[str, ...]]) -> torch.Tensor:
    heavy = {"main": 6.0, "identity": 6.0}
    return torch.tensor([heavy.get(g, 0.3 if g.startswith("has ") else 1.0) for g in groups])


def head_accuracy(
    model: LlavaForConditionalGeneration, heads: Heads, pool: Pool, target: torch.Tensor
) -> dict[str, float]:
    """Accuracy of every group on pictures that were not trained on, without augmentation."""
    rows = []
    with torch.no_grad():
        for i in range(0, len(target), 256):
            pixels = torch.from_numpy(pool.pixels[i : i + 256].copy()).float() / 127.5 - 1
            if pixels.shape[-1] != IMAGE_SIZE:
                pixels = F.interpolate(pixels, size=(IMAGE_SIZE, IMAGE_SIZE), mode="area")
            rows.append(heads(tower_tokens(model, pixels)).argmax(-1))
    said = torch.cat(rows)
    known = target != IGNORE
    hits = ((said == target) & known).sum(0) / known.sum(0).clamp(min=1)
    return {g: round(h.item(), 4) for g, h in zip(heads.groups, hits)}


def turn_ids(tokenizer, turns: list[Turn]) -> list[tuple[list[int], list[int]]]:
    """Question and answer ids of every turn, as the chat template lays them out."""
    ids = tokenizer.convert_tokens_to_ids
    out = []
    for turn in turns:
        question = tokenizer.encode(turn.question, add_special_tokens=False)
        answer = tokenizer.encode(turn.answer, add_special_tokens=False)
        out.append((question + [ids("<assistant>")], answer + [ids("</s>")]))
    return out


@dataclass(frozen=True)
class Packed:
    """Rows of turns behind one prefix: ids, segments, positions and labels, all (B, T)."""

    ids: torch.Tensor
    segment: torch.Tensor
    position: torch.Tensor
    label: torch.Tensor


def pack(rows: list[list[tuple[list[int], list[int]]]], prefix: int, pad: int) -> Packed:
    """Lay the turns of each row side by side; every turn starts again at position `prefix`."""
    longest = max(sum(len(q) + len(a) for q, a in row) for row in rows)
    ids = torch.full((len(rows), longest), pad)
    segment = torch.full((len(rows), longest), -1)
    position = torch.zeros((len(rows), longest), dtype=torch.long)
    label = torch.full((len(rows), longest), IGNORE)
    for b, row in enumerate(rows):
        at = 0
        for number, (question, answer) in enumerate(row):
            both = question + answer
            end = at + len(both)
            ids[b, at:end] = torch.tensor(both)
            segment[b, at:end] = number
            position[b, at:end] = torch.arange(len(both)) + prefix
            # The token before an answer token predicts it.
            label[b, at + len(question) - 1 : end - 1] = torch.tensor(answer)
            at = end
    return Packed(ids, segment, position, label)


def block_mask(segment: torch.Tensor, prefix: int) -> torch.Tensor:
    """(B, 1, T, T) true where a token may look: back to the prefix and into its own turn."""
    count, length = segment.shape
    whole = torch.cat([torch.full((count, prefix), -2), segment], 1)
    total = prefix + length
    causal = torch.ones(total, total, dtype=torch.bool).tril()
    same = whole[:, None, :] == whole[:, :, None]
    return (causal & (same | (whole == -2)[:, None, :]))[:, None]


def language_loss(
    model: LlavaForConditionalGeneration, features: torch.Tensor | None, packed: Packed, user: int
) -> torch.Tensor:
    """Answer tokens' cross-entropy; `features` (B, 49, D) are the projected image tokens."""
    embed = model.get_input_embeddings()
    count = len(packed.ids)
    head = embed(torch.full((count, 1), user))
    parts = [head, embed(packed.ids)] if features is None else [head, features, embed(packed.ids)]
    prefix = sum(p.shape[1] for p in parts[:-1])
    position = torch.cat([torch.arange(prefix).expand(count, -1), packed.position], 1)
    out = model.model.language_model(
        inputs_embeds=torch.cat(parts, 1),
        attention_mask=block_mask(packed.segment, prefix),
        position_ids=position,
        use_cache=False,
    ).last_hidden_state[:, prefix:]
    keep = packed.label != IGNORE
    return F.cross_entropy(model.lm_head(out[keep]), packed.label[keep])


class Teacher:
    """Draws the batches of the language stage."""

    def __init__(self, pool: Pool, processor: LlavaProcessor, recipe: Recipe) -> None:
        self.pool, self.recipe = pool, recipe
        self.tokenizer = processor.tokenizer
        self.pad = self.tokenizer.pad_token_id
        self.user = self.tokenizer.convert_tokens_to_ids("<user>")
        self.hidden = frozenset(recipe.without)
        self.texts = list(text_turns())
        self.rng = random.Random(f"turns {recipe.seed}")

    def pictures(self, index: torch.Tensor) -> Packed:
        rows = [
            training_turns(self.pool.pictures[i], self.rng, self.hidden, self.recipe.turns)
            for i in index.tolist()
        ]
        return pack([self.ids(r) for r in rows], 1 + IMAGE_TOKENS, self.pad)

    def text(self, count: int) -> Packed:
        rows = [self.ids(self.rng.sample(self.texts, 6)) for _ in range(count)]
        return pack(rows, 1, self.pad)

    def ids(self, turns: list[Turn]) -> list[tuple[list[int], list[int]]]:
        spoken = [
            t._replace(question=t.question[0].lower() + t.question[1:])
            if self.rng.random() < 0.15 else t
            for t in turns
        ]  # fmt: skip
        return turn_ids(self.tokenizer, spoken)


def shuffled(count: int, batch: int, generator: torch.Generator):
    """Endless batches of indices; every picture once an epoch."""
    while True:
        order = torch.randperm(count, generator=generator)
        for i in range(0, count - batch + 1, batch):
            yield order[i : i + batch].sort().values


def train_heads(model, pool: Pool, held: Pool, recipe: Recipe, log: Callable[[str], None]) -> Heads:
    """First stage: the tower learns to see."""
    groups, target = label_table(pool, frozenset(recipe.without))
    heads = Heads(groups)
    if recipe.head_steps == 0:
        return heads
    optimiser = Optimiser([(model.model.vision_tower, 1.0), (heads, 1.0)], recipe, recipe.head_steps)
    generator = torch.Generator().manual_seed(recipe.seed)
    batches = shuffled(len(target), recipe.head_batch, generator)
    weight, began = group_weights(groups), time.time()
    for step in range(recipe.head_steps):
        if STOP and step > STOP: break
        index = next(batches)
        logits = heads(tower_tokens(model, pool.batch(index, generator)))
        loss = head_loss(logits, target[index], weight)
        loss.backward()
        optimiser.step(step)
        if step % 50 == 0:
            log(f"heads {step} loss {loss.item():.3f} seconds {time.time() - began:.0f}")
        if step % 200 == 199 or step == recipe.head_steps - 1:
            _, wanted = label_table(held, frozenset(recipe.without))
            log(f"heads {step} held-out {json.dumps(head_accuracy(model, heads, held, wanted))}")
    return heads


def train_language(
    model, processor, heads: Heads, pool: Pool, recipe: Recipe, log: Callable[[str], None]
) -> None:
    """Second stage: the whole model learns to answer; the heads stay on at a small weight."""
    _, target = label_table(pool, frozenset(recipe.without))
    teacher = Teacher(pool, processor, recipe)
    tower = model.model.vision_tower
    rest = [model.model.multi_modal_projector, model.model.language_model, model.lm_head]
    groups = [(tower, recipe.tower_share), (heads, recipe.tower_share), *((m, 1.0) for m in rest)]
    optimiser = Optimiser(groups, recipe, recipe.language_steps)
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    batches = shuffled(len(target), recipe.language_batch, generator)
    weight, began = group_weights(heads.groups), time.time()
    for step in range(recipe.language_steps):
        index = next(batches)
        tokens = tower_tokens(model, pool.batch(index, generator))
        seen = head_loss(heads(tokens), target[index], weight)
        features = model.model.multi_modal_projector(tokens)
        spoken = language_loss(model, features, teacher.pictures(index), teacher.user)
        text = language_loss(model, None, teacher.text(8), teacher.user)
        (spoken + 0.3 * text + 0.5 * seen).backward()
        optimiser.step(step)
        if step % 50 == 0:
            log(f"language {step} loss {spoken.item():.4f} text {text.item():.4f} "
                f"heads {seen.item():.3f} seconds {time.time() - began:.0f}")  # fmt: skip


def pretrain(
    model, processor, pool: Pool, held: Pool, recipe: Recipe, out: Path, log: Callable[[str], None]
) -> None:
    """Train both stages and save an ordinary checkpoint in bf16 with the recipe beside it."""
    torch.manual_seed(recipe.seed)
    log(json.dumps(asdict(recipe)))
    heads = train_heads(model, pool, held, recipe, log)
    train_language(model, processor, heads, pool, recipe, log)
    save(model, processor, recipe, out)
    log(f"saved {out}")


def save(model, processor, recipe: Recipe, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    count = sum(p.numel() for p in model.parameters())
    model.to(torch.bfloat16).save_pretrained(out)
    model.float()
    processor.save_pretrained(out)
    info = {"recipe": asdict(recipe), "parameters": count}
    (out / "pretraining.json").write_text(json.dumps(info, indent=2) + "\n")


