"""Teach a published decoder to read a frozen tower: projector first, language after.

The projector first learns to say each patch's word as that word's own embedding, so that the
decoder gets something like text from the beginning. Then projector and LoRA on the decoder learn
to answer; many questions share one image's prefix, logits are computed at answers only, and the
LoRA is folded into the decoder at the end. A killed training goes on from its checkpoint.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from tqdm import tqdm

from hfru_core.files import write_file
from hfru_core.model.precision import faster_dtype, name_of, named
from hfru_core.model.vlm import VLM
from hfru_core.pretrain.assemble_lessons import Lessons
from hfru_core.pretrain.packing import block_mask, pack
from hfru_core.pretrain.vision_heads import IGNORE
from hfru_core.protocol.questions import Turn


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside decoder, tower and pictures."""

    seed: int = 0
    pictures: int = 6000
    word_steps: int = 600
    word_batch: int = 32
    steps: int = 480
    batch: int = 4  # pictures of a step
    turns: int = 8  # questions about each of them
    texts: int = 4  # text-only questions of a step
    rank: int = 16
    lr: float = 1.5e-3
    checkpoint_every: int = 25


class Trainer:
    """One training: `run` goes on from the checkpoint in `work`, if there is one."""

    def __init__(self, vlm: VLM, lessons: Lessons, recipe: Recipe, work: Path) -> None:
        self.vlm, self.lessons, self.recipe, self.work = vlm, lessons, recipe, work
        self.whiten = whitening(lessons.seen(range(min(1500, len(lessons)))))

    def run(self) -> None:
        """Train to the end of the recipe; the adapter stays on the model."""
        self.begin()
        with tqdm(total=self.recipe.steps, initial=self.step, unit="step", file=sys.stderr) as bar:
            while self.step < self.recipe.steps:
                self.loss = self.one_step(random.Random(f"{self.recipe.seed}/{self.step}"))
                self.step += 1
                bar.set_postfix(loss=f"{self.loss:.3f}", refresh=False)
                bar.update()
                if self.step % self.recipe.checkpoint_every == 0 or self.step == self.recipe.steps:
                    self.checkpoint()

    def finished(self) -> VLM:
        """The model as it will be saved: LoRA folded in, and the whitening into the projector."""
        self.vlm.core.float()
        adapted: Any = self.vlm.model
        self.vlm.model = adapted.merge_and_unload()
        fold(self.vlm.projector, *self.whiten)
        return self.vlm

    def begin(self) -> None:
        """Make what is trained, or read it from the checkpoint."""
        file = self.work / "training.json"
        kept = json.loads(file.read_text()) if file.is_file() else {}
        self.dtype = named(kept["dtype"]) if "dtype" in kept else faster_dtype()
        self.vlm.decoder.to(self.dtype)
        self.vlm.core.lm_head.to(self.dtype)
        self.vlm.adapt(self.recipe.rank, "decoder", seed=self.recipe.seed)
        self.vlm.projector.requires_grad_(True)
        self.weights = self.vlm.trainable()
        self.optimiser = torch.optim.AdamW(
            self.weights.values(), lr=self.recipe.lr, betas=(0.9, 0.98), weight_decay=0.0
        )
        self.step, self.loss = 0, 0.0
        if kept:
            self.restore(kept)
        else:
            self.teach_words()

    def seen(self, index: Sequence[int]) -> torch.Tensor:
        """What the tower sees on some pictures (B, P, D), whitened."""
        mean, matrix = self.whiten
        return (self.lessons.seen(index) - mean) @ matrix

    def teach_words(self) -> float:
        """Bring each patch's projected token to the embedding of a word that says what is there.

        Returns the share of the last batch's patches whose likeliest word is theirs.
        """
        recipe, share = self.recipe, 0.0
        targets = self.lessons.words(self.vlm.tokenizer)
        used, target = targets.unique(return_inverse=True)
        table = self.vlm.core.get_input_embeddings().weight[used].float()
        scale = table.var() * table.shape[1] / 24  # a word's logit at its own embedding is 24
        optimiser = torch.optim.AdamW(self.vlm.projector.parameters(), lr=3e-3, betas=(0.9, 0.98))
        rng = random.Random(f"words {recipe.seed}")
        for step in tqdm(range(recipe.word_steps), desc="words", unit="step", file=sys.stderr):
            index = rng.sample(range(len(self.lessons)), recipe.word_batch)
            tokens = self.vlm.projector(self.seen(index)).flatten(0, 1)
            wanted = target[index].flatten()
            logits = tokens @ table.T / scale
            pull = F.mse_loss(tokens, table[wanted]) / table.var()
            optimiser.param_groups[0]["lr"] = 3e-3 * min(1.0, 2 - 2 * step / recipe.word_steps)
            optimiser.zero_grad()
            (F.cross_entropy(logits, wanted) + 0.3 * pull).backward()
            optimiser.step()
            share = (logits.argmax(-1) == wanted).float().mean().item()
        return share

    def one_step(self, rng: random.Random) -> float:
        """One update on some pictures and some text-only questions."""
        recipe = self.recipe
        index = rng.sample(range(len(self.lessons)), recipe.batch)
        tokens = self.seen(index)
        rows = [self.lessons.turns(i, rng, recipe.turns) for i in index]
        loss = answers_loss(self.vlm, self.vlm.projector(tokens), rows)
        loss.backward()
        if recipe.texts:
            text = [rng.sample(self.lessons.texts, recipe.texts)]
            (0.15 * answers_loss(self.vlm, None, text)).backward()
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        self.optimiser.param_groups[0]["lr"] = recipe.lr * self.share()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return loss.item()

    def share(self) -> float:
        """The learning rate's share: up over 20 steps, level, down over the last half."""
        left = (self.recipe.steps - self.step) / self.recipe.steps
        return min(1.0, (self.step + 1) / 20, left / 0.5)

    def checkpoint(self) -> None:
        """Tensors first, the JSON that names their file last."""
        name = f"training-{self.step}.safetensors"
        tensors = {f"weight/{n}": p.data for n, p in self.weights.items()}
        for n, p in self.weights.items():
            for key, value in self.optimiser.state[p].items():
                tensors[f"{key}/{n}"] = value
        write_file(self.work / name, lambda path: save_file(tensors, path))
        record = {"step": self.step, "file": name, "loss": self.loss}
        record |= {"dtype": name_of(self.dtype)}
        write_file(self.work / "training.json", lambda path: path.write_text(json.dumps(record)))
        for old in self.work.glob("training-*.safetensors"):
            if old.name != name:
                old.unlink()

    def restore(self, record: dict[str, Any]) -> None:
        """Weights and moments of a checkpoint."""
        tensors = load_file(self.work / record["file"])
        self.step, self.loss = record["step"], record["loss"]
        for name, p in self.weights.items():
            p.data.copy_(tensors[f"weight/{name}"])
            keys = ("step", "exp_avg", "exp_avg_sq")
            self.optimiser.state[p] = {k: tensors[f"{k}/{name}"] for k in keys}


def whitening(seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (D,) and matrix (D, D) that turn the tower's tokens (N, P, D) into uncorrelated ones."""
    tokens = seen.flatten(0, 1)
    mean = tokens.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((tokens - mean).T))
    least = 1e-6 * values.max()  # some channels of a tower may never differ
    return mean, vectors / (values + 1e-2 * values.median()).clamp_min(least).sqrt()


@torch.no_grad()
def fold(projector: Any, mean: torch.Tensor, matrix: torch.Tensor) -> None:
    """Let the projector read the tower's own tokens where it has read whitened ones."""
    first = projector.linear_1
    first.weight.copy_(first.weight @ matrix.T)
    first.bias.sub_(first.weight @ mean)


# Many questions behind one prefix.


def answers_loss(
    vlm: VLM, features: torch.Tensor | None, rows: Sequence[Sequence[Turn]]
) -> torch.Tensor:
    """Cross-entropy of the answers' tokens; `features` (B, P, D) are the projected image tokens."""
    core, image = vlm.core, vlm.core.config.image_token_id
    prefix, turns = turn_ids(vlm, rows, features is not None)
    packed = pack(turns, len(prefix), vlm.tokenizer.pad_token_id)
    embed = core.get_input_embeddings()
    count = len(packed.ids)
    ids = torch.tensor(prefix).expand(count, -1)
    head = embed(ids.masked_fill(ids == image, 0))
    if features is not None:
        seen = (ids == image)[..., None]
        head = head.masked_scatter(seen, features.to(head.dtype))
    position = torch.cat([torch.arange(len(prefix)).expand(count, -1), packed.position], 1)
    out = vlm.decoder(
        inputs_embeds=torch.cat([head, embed(packed.ids)], 1),
        attention_mask=block_mask(packed.segment, len(prefix)),
        position_ids=position,
        use_cache=False,
    ).last_hidden_state[:, len(prefix) :]
    keep = packed.label != IGNORE
    return F.cross_entropy(core.lm_head(out[keep]).float(), packed.label[keep])


def turn_ids(
    vlm: VLM, rows: Sequence[Sequence[Turn]], with_image: bool
) -> tuple[list[int], list[list[tuple[list[int], list[int]]]]]:
    """The ids that all prompts begin with, and each turn's question behind them and answer."""
    tokenizer, core = vlm.tokenizer, vlm.core
    asked = [[prompt_ids(vlm, t.question, with_image) for t in row] for row in rows]
    prefix = common_start([q for row in asked for q in row])
    answers = [[tokenizer.encode(t.answer, add_special_tokens=False) for t in row] for row in rows]
    turns = [
        [(q[len(prefix) :], a + [vlm.eos[0]]) for q, a in zip(*pair)]
        for pair in zip(asked, answers)
    ]
    if with_image:
        at = prefix.index(core.config.image_token_id)
        image = [core.config.image_token_id] * core.config.image_seq_length
        prefix = prefix[:at] + image + prefix[at + 1 :]
    return prefix, turns


def prompt_ids(vlm: VLM, question: str, with_image: bool) -> list[int]:
    """A prompt's ids with one token for the image."""
    return vlm.tokenizer.encode(vlm.prompt(question, with_image), add_special_tokens=False)


def common_start(rows: Sequence[list[int]]) -> list[int]:
    """The longest beginning that all rows share, short of a whole row."""
    least = min(map(len, rows)) - 1
    same = (i for i in range(least) if len({row[i] for row in rows}) > 1)
    return rows[0][: next(same, least)]
