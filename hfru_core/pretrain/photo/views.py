"""Augmented views of a picture, and views that show less than the picture: 224 x 224 pixels."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from hfru_core.data.images import open_image
from hfru_core.pretrain.photo.tower import SIDE

BICUBIC = Image.Resampling.BICUBIC
KIND, NOTHING = "kind", "nothing"  # what a view shows, where it does not show all


def squashed(image: Image.Image) -> Image.Image:
    """The whole picture, as the image processor makes it."""
    return image.resize((SIDE, SIDE), BICUBIC)


def pixels(image: Image.Image) -> np.ndarray:
    """(3, 224, 224) uint8."""
    return np.asarray(squashed(image), dtype=np.uint8).transpose(2, 0, 1)


def view(data: bytes, number: int, seed: str) -> Image.Image:
    """The whole picture as view 0 (mirrored or not); cut more the higher the number."""
    rng, image = random.Random(f"{seed}/{number}"), open_image(data)
    if number:
        image = recoloured(cut(image, 0.75 if number == 1 else 0.45, rng), rng)
    return ImageOps.mirror(image) if rng.random() < 0.5 else image


def cut(image: Image.Image, least: float, rng: random.Random) -> Image.Image:
    """A part of at least this share of each side, a little turned."""
    wide, high = (round(s * rng.uniform(least, 1)) for s in image.size)
    left, top = rng.randint(0, image.width - wide), rng.randint(0, image.height - high)
    turned = image.rotate(rng.uniform(-12, 12), BICUBIC) if rng.random() < 0.3 else image
    return turned.crop((left, top, left + wide, top + high))


def recoloured(image: Image.Image, rng: random.Random) -> Image.Image:
    """Other colour, light and contrast; now and then grey, soft or in few colours."""
    for change in (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast):
        image = change(image).enhance(rng.uniform(0.65, 1.35))
    way = rng.random()
    if way < 0.08:
        return ImageOps.grayscale(image).convert("RGB")
    if way < 0.16:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.004, 0.012) * min(image.size)))
    return ImageOps.posterize(image, 3) if way < 0.20 else image


def unclear(data: bytes, seed: str) -> tuple[Image.Image, str]:
    """A view that shows the kind alone, or nothing at all, and which of the two."""
    rng, image = random.Random(f"unclear/{seed}"), squashed(open_image(data))
    shown = NOTHING if rng.random() < 0.2 else KIND
    way = rng.choice((blurred, tiny, dark, covered))
    return way(image, shown, rng), shown


def blurred(image: Image.Image, shown: str, rng: random.Random) -> Image.Image:
    share = rng.uniform(0.07, 0.10) if shown == KIND else rng.uniform(0.22, 0.35)
    return image.filter(ImageFilter.GaussianBlur(share * SIDE))


def tiny(image: Image.Image, shown: str, rng: random.Random) -> Image.Image:
    """Few pixels made large; for nothing, hardly any."""
    side = rng.randint(9, 13) if shown == KIND else rng.randint(2, 4)
    way = rng.choice((BICUBIC, Image.Resampling.NEAREST))
    small = image.resize((side, side), Image.Resampling.BOX)
    return small.resize((SIDE, SIDE), way)


def dark(image: Image.Image, shown: str, rng: random.Random) -> Image.Image:
    """Little light and its noise."""
    light = rng.uniform(0.10, 0.16) if shown == KIND else rng.uniform(0.0, 0.03)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 6, (SIDE, SIDE, 3))
    dim = np.asarray(image, dtype=np.float32) * light + noise
    return Image.fromarray(dim.clip(0, 255).astype(np.uint8))


def covered(image: Image.Image, shown: str, rng: random.Random) -> Image.Image:
    """A flat shape over most of it, or over all of it."""
    if shown == NOTHING:
        return plain(rng)
    made, side = image.copy(), rng.uniform(0.76, 0.88) * SIDE
    left, top = rng.uniform(0, SIDE - side), rng.uniform(0, SIDE - side)
    draw = ImageDraw.Draw(made)
    shape = rng.choice((draw.rectangle, draw.ellipse))
    shape((left, top, left + side, top + side), fill=colour(rng))
    return made


def plain(rng: random.Random) -> Image.Image:
    """One colour, or noise."""
    if rng.random() < 0.5:
        return Image.new("RGB", (SIDE, SIDE), colour(rng))
    coarse = rng.choice((1, 4, 16))
    noise = np.random.default_rng(rng.getrandbits(32)).integers(
        0, 256, (SIDE // coarse, SIDE // coarse, 3), dtype=np.uint8
    )
    return Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.NEAREST)


def colour(rng: random.Random) -> tuple[int, int, int]:
    grey = rng.randint(0, 255)
    spread = rng.choice((0, 0, 60))
    return tuple(max(0, min(255, grey + rng.randint(-spread, spread))) for _ in range(3))  # type: ignore[return-value] # three of them
