"""Heads that do not show who it is: turned away, masked, backlit or pixelated."""

from __future__ import annotations

import numpy as np
from PIL import Image

from hfru_core.world.head import face_outline
from hfru_core.world.pen import INK, Pen, arc, curve, mirrored, shade


def draw_turned(pen: Pen) -> None:
    """The back of a head."""
    hair = (112, 104, 98)
    pen.fill([(-9, 10), (9, 10), (10, 36), (-10, 36)], (176, 150, 132))
    pen.fill(curve(mirrored(((0, -26), (14, -22), (20.5, -6), (19, 12), (9, 25), (0, 26)))), hair)
    for x in (-13, -8, -3, 3, 8, 13):
        pen.line([(x * 0.2, -21), (x, -8), (x * 1.05, 10), (x * 0.6, 21)], 0.9, shade(hair, -0.3))
    pen.line(arc(0, -2, 14, 18, 215, 262)[::3], 2.2, shade(hair, 0.25))


def draw_masked(pen: Pen) -> None:
    """Hood, ski mask and sunglasses."""
    hood, knit = (74, 76, 84), (120, 122, 130)
    half = ((0, -30), (17, -25), (25, -6), (24, 14), (20, 34), (0, 40))
    pen.fill(curve(mirrored(half)), hood)
    pen.fill(curve(mirrored(half)) * (0.84, 0.86), shade(hood, -0.5))
    pen.fill(face_outline("oval"), knit)
    for y in (9, 12.5, 16, 19.5):
        reach = 15 - 0.3 * y
        pen.line([(-reach, y - 1.5), (0, y), (reach, y - 1.5)], 0.8, shade(knit, -0.3))
    for side in (-1, 1):
        lens = np.array(((1.5, -5), (13, -6), (16, -3), (13, 5), (5, 5)))
        pen.fill(curve(lens * (side, 1)), INK)
        pen.line([(side * 6, -3), (side * 10, -3.6)], 1.0, (150, 170, 190))
    pen.line([(-3, -4), (3, -4)], 1.6, INK)


def draw_backlit(pen: Pen) -> None:
    """A dark soft shape against the light."""
    half = np.array(((0, -27), (14, -23), (20.5, -6), (18, 12), (9, 23), (8.5, 36), (0, 37)))
    shape = curve(mirrored(half))
    for grow, alpha in ((1.07, 60), (1.035, 110), (1.0, 255)):
        pen.fill((shape + (0, 2)) * (grow, grow) - (0, 2), (46, 40, 48, alpha))


def pixelate(image: Image.Image, pen: Pen) -> None:
    """Replace the head by coarse blocks."""
    left, top = round(pen.x - 27 * pen.scale), round(pen.y - 31 * pen.scale)
    right, bottom = round(pen.x + 27 * pen.scale), round(pen.y + 29 * pen.scale)
    head = image.crop((left, top, right, bottom))
    coarse = head.resize((8, 8), Image.Resampling.BOX)
    image.paste(coarse.resize(head.size, Image.Resampling.NEAREST), (left, top))
