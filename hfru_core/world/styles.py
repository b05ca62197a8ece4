"""The finishes: what makes a photo, painting, cartoon or sketch look like itself."""

import math
import random
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from hfru_core.world.canvas import Canvas


@cache
def _grain(size: int) -> np.ndarray:
    """White noise, unit variance, (size, size, 1)."""
    return np.random.default_rng(7).standard_normal((size, size, 1)).astype(np.float32)


@cache
def _strokes(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column push of short slanted brush strokes, each (size, size) in -2..2."""
    noise = np.random.default_rng(11).standard_normal((2, size, size)).astype(np.float32)
    length, wide = max(3, size // 12), max(2, size // 40)
    for axis, reach in ((1, wide), (2, length)):
        blurred = np.zeros_like(noise)
        for k in range(reach):
            blurred += np.roll(noise, k, axis=axis)
        noise = blurred / math.sqrt(reach)
    rows = np.arange(size)[:, None]
    lean = (np.arange(size)[None, :] + rows) % size
    noise = np.clip(noise[:, rows, lean], -2, 2)
    return noise[0], noise[1]


@cache
def _hatching(size: int) -> np.ndarray:
    """Slanted pencil lines as darkness in 0..1, (size, size)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    wobble = 0.6 * np.sin(9 * x) + 0.5 * np.sin(13 * y)
    lines = 0.5 + 0.5 * np.sin((x + y) * 2 * math.pi * 26 + wobble)
    return (lines**2).astype(np.float32)


def _light(height: Image.Image, size: int) -> np.ndarray:
    """Shading of the drawn relief lit from the upper left: about -1..1, (size, size, 1)."""
    reach = max(2, round(size * 0.03))
    soft = np.asarray(height.reduce(2).filter(ImageFilter.GaussianBlur(reach)), dtype=np.float32)
    padded = np.pad(soft, reach, mode="edge")
    slope = padded[2 * reach :, 2 * reach :] - padded[: -2 * reach, : -2 * reach]
    return (slope / 160)[:, :, None]


def _mask(height: Image.Image) -> np.ndarray:
    cover = np.asarray(height.reduce(2), dtype=np.float32)
    return np.minimum(cover / 150, 1)[:, :, None]


def _photo(pixels: np.ndarray, canvas: Canvas, rng: random.Random) -> np.ndarray:
    size = len(pixels)
    shade = _mask(canvas.height) * _light(canvas.height, size)
    grain = np.roll(_grain(size), rng.randrange(size), axis=0)
    pixels *= 1 + np.minimum(shade, 0) * 0.55
    pixels += np.maximum(shade, 0) * 80 + 2.6 * grain
    return pixels


def _painting(pixels: np.ndarray, canvas: Canvas, rng: random.Random) -> np.ndarray:
    size = len(pixels)
    shade = _mask(canvas.height) * np.round(_light(canvas.height, size) * 3) / 3
    lit = pixels * (1 + np.minimum(shade, 0) * 0.45) + np.maximum(shade, 0) * 60
    dy, dx = (np.roll(d, rng.randrange(size), axis=0) for d in _strokes(size))
    reach = (size / 130) * (1.5 - 0.7 * _mask(canvas.height)[:, :, 0])  # calmer on the object
    rows, columns = np.arange(size)[:, None], np.arange(size)[None, :]
    rows = np.clip(rows + (dy * reach).astype(np.intp), 0, size - 1)
    columns = np.clip(columns + (dx * reach).astype(np.intp), 0, size - 1)
    return lit[rows, columns] + 5.5 * (dy + dx)[:, :, None]


def _cartoon(pixels: np.ndarray, canvas: Canvas, rng: random.Random) -> np.ndarray:
    return pixels


def _sketch(pixels: np.ndarray, canvas: Canvas, rng: random.Random) -> np.ndarray:
    size = len(pixels)
    mask = _mask(canvas.height)
    dark = np.maximum(-_light(canvas.height, size), 0) * mask
    pencil = np.roll(_hatching(size), rng.randrange(size), axis=1)[:, :, None]
    grey = pixels[:, :, :1]
    tone = 0.35 + 1.3 * mask * (grey < 235)
    grain = np.roll(_grain(size), rng.randrange(size), axis=0)
    inked = grey - pencil * (150 * dark + (250 - grey) * 0.28 * tone) + 4 * grain
    return inked * np.array((1.0, 0.995, 0.98), dtype=np.float32)


FINISHES: dict[str, Callable[[np.ndarray, Canvas, random.Random], np.ndarray]] = {
    "photo": _photo,
    "painting": _painting,
    "cartoon": _cartoon,
    "sketch": _sketch,
}
