"""A pool of images to pretrain on: pixels in one array, the truth beside them."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch.nn import functional as F

from hfru_core.data.drawn import draw, key_of, picture_of
from hfru_core.data.photo_source import Photos
from hfru_core.data.source import load_image
from hfru_core.pretrain.architecture import IMAGE_SIZE, PATCH
from hfru_core.protocol.answers import Picture
from hfru_core.types import Photo, UserError


@dataclass(frozen=True)
class Pool:
    """`pixels` (N, 3, S, S) uint8 and N images; `wild` pools are photographs: augmented more."""

    pixels: np.ndarray
    pictures: tuple[Picture, ...]
    wild: bool = False

    def batch(
        self, index: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Augmented images (B, 3, S, S), scaled to -1 .. 1 as the processor does; their maps."""
        pixels = torch.from_numpy(self.pixels[index.numpy()]).float().div_(127.5).sub_(1)
        return augment(pixels, self.wild, generator)


def augment(
    pixels: torch.Tensor, wild: bool, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random crops (B, 3, S, S) and their affine maps (B, 2, 3); photographs are also turned,
    flipped, stretched, tinted, made gray and covered in part."""
    count = len(pixels)
    rand = torch.rand(count, 6, generator=generator)
    low = 0.65 if wild else 0.88
    scale = low + (1 - low) * rand[:, 0]
    still = (rand[:, 5] < 0.25) & (not wild)
    scale = torch.where(still, torch.ones(()), scale)
    shift = (rand[:, 1:3] * 2 - 1) * (1 - scale)[:, None]
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = scale
    if wild:
        theta[:, :, :2] = turned(scale, rand[:, 3] < 0.5, generator)
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta, [count, 3, IMAGE_SIZE, IMAGE_SIZE], align_corners=False)
    out = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    tone = 0.2 if wild else 0.06
    gain = 1 + tone * (torch.rand(count, 3 if wild else 1, 1, 1, generator=generator) * 2 - 1)
    out = (out * gain + tone * (rand[:, 4, None, None, None] - 0.5)).clamp_(-1, 1)
    return (covered(out, generator) if wild else out), theta


def turned(scale: torch.Tensor, flip: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Matrices (B, 2, 2): up to 17 degrees, stretched by up to 20 %, mirrored where `flip`."""
    rand = torch.rand(len(scale), 2, generator=generator) * 2 - 1
    angle, stretch = 0.3 * rand[:, 0], (0.18 * rand[:, 1]).exp()
    side = torch.where(flip, -1.0, 1.0)
    rows = torch.stack([angle.cos() * side, -angle.sin(), angle.sin() * side, angle.cos()], 1)
    size = torch.stack([scale * stretch, scale / stretch], 1)
    return rows.view(-1, 2, 2) * size[:, None]


def covered(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A fifth of the images made gray, and a gray box laid over a fifth of them."""
    count, side = len(pixels), pixels.shape[-1]
    rand = torch.rand(count, 5, generator=generator)
    gray = (rand[:, 0] < 0.2)[:, None, None, None]
    pixels = torch.where(gray, pixels.mean(1, keepdim=True), pixels)
    line = torch.arange(side) / side
    half = (0.1 + 0.1 * rand[:, 1])[:, None]
    near = [(line - rand[:, i, None]).abs() < half for i in (2, 3)]
    box = near[0][:, :, None] & near[1][:, None] & (rand[:, 4] < 0.2)[:, None, None]
    return pixels.masked_fill(box[:, None], 0.0)


def patch_owner(boxes: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    """Which thing's box holds the centre of each patch: (B, P) with 0, 1, or -1 for none."""
    side = IMAGE_SIZE // PATCH
    line = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    centre = torch.stack([x.flatten(), y.flatten(), torch.ones(side * side)])  # (3, P)
    at = (theta @ centre).transpose(1, 2)[:, None]  # (B, 1, P, 2)
    low, high = boxes[:, :, None, :2], boxes[:, :, None, 2:]
    margin = 0.08 * (high - low)
    inside = ((at > low + margin) & (at < high - margin)).all(-1)  # (B, 2, P)
    return torch.where(inside[:, 0], 0, torch.where(inside[:, 1], 1, -1))


def to_pixels(image: Image.Image, size: int = IMAGE_SIZE) -> np.ndarray:
    """(3, size, size) uint8, resized as the model's own image processor does."""
    resized = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.uint8).transpose(2, 0, 1)


def draw_pixels(key: str) -> np.ndarray:
    return to_pixels(draw.__wrapped__(key))


def world_keys(seed: int, count: int) -> list[str]:
    """Two scenes for every portrait."""
    subjects = ("scene", "scene", "face")
    return [key_of(seed, "pretrain", subjects[i % 3], i) for i in range(count)]


def world_pool(seed: int, count: int, cache: Path) -> Pool:
    """`count` freshly drawn images, kept in `cache` for the next training on this machine."""
    keys = world_keys(seed, count)
    # Some images are part of the name: a change of the drawing code makes a new pool.
    first = b"".join(draw_pixels(k).tobytes() for k in keys[:120])
    name = hashlib.sha256(first + f"{seed}/{count}".encode()).hexdigest()[:16]
    file = cache / f"pool-{name}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        write_pixels(keys, file)
    return Pool(np.load(file, mmap_mode="r"), tuple(picture_of(k) for k in keys))


def write_pixels(keys: list[str], file: Path) -> None:
    part = file.with_suffix(".part.npy")
    shape = (len(keys), 3, IMAGE_SIZE, IMAGE_SIZE)
    out = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(max_workers=os.cpu_count(), mp_context=context) as workers:
        for i, pixels in enumerate(workers.map(draw_pixels, keys, chunksize=64)):
            out[i] = pixels
    out.flush()
    os.replace(part, file)


def photo_pool(source: Photos) -> tuple[Pool, Pool]:
    """Real images to train on, a fifth of them a second time degraded; and the held-out ones.

    A degraded image (a heavy blur) is called by its kind alone: without such images a model
    never learns when to say "an animal".
    """
    photos = source.read()
    train = [p for p in photos if not p.held_out]
    if not train or len(train) == len(photos):
        raise UserError(
            f"{source.text} has too few pictures: one in ten or so is kept to be judged on."
        )
    vague = [replace(p, degraded=True) for i, p in enumerate(train) if i % 4 == 0]
    return photos_to_pool([*train, *vague]), photos_to_pool([p for p in photos if p.held_out])


def photos_to_pool(photos: list[Photo]) -> Pool:
    pixels = np.stack([photo_pixels(p) for p in photos])
    return Pool(pixels, tuple(photos), wild=True)


def photo_pixels(photo: Photo) -> np.ndarray:
    image = load_image(photo.key)
    if photo.degraded:
        image = image.filter(ImageFilter.GaussianBlur(0.09 * min(image.size)))
    return to_pixels(image)
