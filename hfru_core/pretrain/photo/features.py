"""What the first blocks of the tower see in many views, computed once and kept in float16."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from tqdm import tqdm
from transformers import EfficientNetModel

from hfru_core.files import write_text
from hfru_core.model.precision import faster_dtype
from hfru_core.pretrain.photo import views
from hfru_core.pretrain.photo.colours import NAMES as COLOURS
from hfru_core.pretrain.photo.colours import plain_colour
from hfru_core.pretrain.photo.pictures import Shot
from hfru_core.pretrain.photo.tower import SIDE

FROZEN = 11  # of the tower's 16 blocks: their output is what is kept
BATCH = 32
SHOWN = (None, views.KIND, views.NOTHING)
Head = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class View:
    """One kept view: the number of its picture, what it shows (None for all), a plain colour."""

    picture: int
    shown: str | None
    colour: str | None


@dataclass(frozen=True)
class Store:
    """Views with what the frozen blocks see (N, C, H, W) and the tower's own logits (N, 1000)."""

    views: tuple[View, ...]
    maps: np.ndarray
    logits: np.ndarray

    def seen(self, index: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(self.maps[np.asarray(index)].astype(np.float32))


def planned(pictures: int, count: int, seed: int) -> np.ndarray:
    """Rows (picture, number of the view) in an order of chance; -1 is an unclear view, which two
    of five pictures get."""
    rows = [(i, v) for v in range(count) for i in range(pictures)]
    rows += [(i, -1) for i in range(pictures) if i % 5 < 2]
    return np.random.default_rng(seed).permutation(np.array(rows))


def looked(shot: Shot, number: int, seed: str) -> tuple[Image.Image, str | None, str | None]:
    """One view's image, what it shows, and its plain colour; a sketch has none."""
    if number < 0:
        return *views.unclear(shot.data, seed), None
    image = views.view(shot.data, number, seed)
    return image, None, None if shot.style == "sketch" else plain_colour(image)


def normal(pixels: np.ndarray) -> torch.Tensor:
    """(B, 3, 224, 224) uint8 as the tower takes them."""
    return (torch.from_numpy(pixels).float() - 127) / 128


def early(tower: EfficientNetModel, pixels: torch.Tensor) -> torch.Tensor:
    """The frozen blocks' output (B, 112, 14, 14)."""
    hidden = tower.embeddings(pixels)
    for block in tower.encoder.blocks[:FROZEN]:
        hidden = block(hidden)
    return hidden


def late(tower: EfficientNetModel, hidden: torch.Tensor) -> torch.Tensor:
    """The tower's last map (B, 1280, 7, 7) from the frozen blocks' output."""
    encoder = tower.encoder
    for block in encoder.blocks[FROZEN:]:
        hidden = block(hidden)
    return encoder.top_activation(encoder.top_bn(encoder.top_conv(hidden)))


def classified(maps: torch.Tensor, head: Head) -> torch.Tensor:
    """The tower's own logits (B, 1000) from its last map."""
    return F.linear(maps.mean((2, 3)), *head)


@torch.no_grad()
def kept(
    tower: EfficientNetModel, head: Head, shots: Sequence[Shot], rows: np.ndarray, work: Path
) -> Store:
    """Views of the pictures as `planned`, computed into files in `work`; a killed run goes on."""
    first_blocks = fast(tower)
    nothing = torch.zeros(1, 3, SIDE, SIDE, dtype=first_blocks.dtype)
    shape = early(first_blocks, nothing).shape[1:]
    maps = opened(work / "maps.npy", (len(rows), *shape), np.float16)
    logits = opened(work / "logits.npy", (len(rows), len(head[1])), np.float16)
    facts = opened(work / "facts.npy", (len(rows), 2), np.int8)
    done = work / "views.done"
    first = int(done.read_text()) if done.is_file() else 0
    for at in tqdm(range(first, len(rows), BATCH), desc="views", file=sys.stderr, mininterval=10):
        part = slice(at, at + BATCH)
        seen = [looked(shots[i], v, f"0/{i}/{v}") for i, v in rows[part].tolist()]
        pixels = normal(np.stack([views.pixels(image) for image, *_ in seen]))
        hidden = early(first_blocks, pixels.to(first_blocks.dtype)).float()
        maps[part] = hidden.numpy()
        logits[part] = classified(late(tower, hidden), head).numpy()
        facts[part] = [(SHOWN.index(s), COLOURS.index(c) if c else -1) for _, s, c in seen]
        if at // BATCH % 40 == 39:
            write_text(done, str(at + BATCH))
    write_text(done, str(len(rows)))
    known = zip(rows[:, 0].tolist(), facts.tolist())
    told = (View(i, SHOWN[s], COLOURS[c] if c >= 0 else None) for i, (s, c) in known)
    return Store(tuple(told), maps, logits)


@torch.no_grad()
def last_maps(tower: EfficientNetModel, store: Store, work: Path) -> np.ndarray:
    """The tower's last maps (N, D, h, w) of all views in a file in `work`, once it has learned."""
    shape = late(tower, store.seen([0])).shape[1:]
    maps = opened(work / "last.npy", (len(store.views), *shape), np.float16)
    done = work / "last.done"
    if not done.is_file():
        for at in tqdm(range(0, len(maps), BATCH), desc="last maps", file=sys.stderr):
            index = range(at, min(at + BATCH, len(maps)))
            maps[at : at + BATCH] = late(tower, store.seen(index)).numpy()
        write_text(done, "")
    return maps


def fast(tower: Any) -> Any:
    """A copy for the frozen blocks: norms folded in, in the format and layout that are faster."""
    made = copy.deepcopy(tower)
    stem = made.embeddings
    stem.convolution, stem.batchnorm = folded(stem.convolution, stem.batchnorm)
    for block in made.encoder.blocks[:FROZEN]:
        block.squeeze_excite = nn.Identity()  # it lets everything through
        if block.expand:
            part = block.expansion
            part.expand_conv, part.expand_bn = folded(part.expand_conv, part.expand_bn)
        deep, out = block.depthwise_conv, block.projection
        deep.depthwise_conv, deep.depthwise_norm = folded(deep.depthwise_conv, deep.depthwise_norm)
        out.project_conv, out.project_bn = folded(out.project_conv, out.project_bn)
    return made.to(faster_dtype()).to(memory_format=torch.channels_last)


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[nn.Module, nn.Module]:
    return fuse_conv_bn_eval(convolution, norm), nn.Identity()


def opened(file: Path, shape: tuple[int, ...], kind: type) -> np.ndarray:
    """An array in a file, made where there is none."""
    mode = "r+" if file.is_file() else "w+"
    return np.lib.format.open_memmap(file, mode=mode, dtype=kind, shape=shape)
