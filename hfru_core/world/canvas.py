"""The image while it is drawn: layers placed by a pose, and painted in a style's colours."""

import math
import random
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from hfru_core.world.shapes import RGB, Layer

NEUTRALS: dict[str, RGB] = {
    "ink": (36, 34, 42),
    "tyre": (52, 50, 58),
    "white": (250, 248, 242),
    "shine": (252, 251, 248),
    "glass": (206, 224, 234),
    "wood": (116, 94, 78),
    "beam": (252, 246, 214),
}
SKETCH_GREY = {"body": 226, "dark": 186, "spot": 160, "light": 242, "ink": 66, "tyre": 104,
               "white": 252, "shine": 252, "glass": 238, "wood": 170, "beam": 252}  # fmt: skip
UNLINED = frozenset({"ink", "spot", "shine", "tyre", "beam"})


class Pose(NamedTuple):
    """Where the unit box lands: foot point and side as shares of the image, then distortions."""

    x: float
    y: float
    side: float
    mirror: bool
    turn: float
    stretch: float
    bend: float


class Canvas(NamedTuple):
    """The image at twice its size, and a height map of what has been drawn as an object."""

    image: Image.Image
    height: Image.Image
    style: str


def _mix(a: RGB, b: RGB, share: float) -> RGB:
    red, green, blue = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return red, green, blue


def _grey_of(colour: RGB) -> int:
    return round(0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2])


def _fill(tone: str | RGB, colour: RGB, style: str) -> RGB:
    """The paint for a tone: grey on paper in a sketch, else shades of the object's colour."""
    if style == "sketch":
        grey = SKETCH_GREY[tone] if isinstance(tone, str) else 148 + _grey_of(tone) * 41 // 100
        return (grey, grey, grey - 2)
    if not isinstance(tone, str):
        return tone
    shadow = (66, 12, 32) if max(colour) - min(colour) > 20 else (22, 22, 28)
    shades = {
        "body": colour,
        "dark": _mix(colour, shadow, 0.28),
        "spot": _mix(colour, shadow, 0.44),
        "light": _mix(colour, (255, 252, 244), 0.42),
    }
    return shades.get(tone) or NEUTRALS[tone]


def _placed(
    layers: tuple[Layer, ...] | list[Layer], pose: Pose, side: int
) -> list[list[list[float]]]:
    """Every polygon of every layer in canvas pixels, flattened to x, y, x, y, ..."""
    flat = [points for layer in layers for points in layer.shapes]
    xy = np.concatenate(flat) - (0.5, 1.0)
    x = xy[:, 0] * pose.stretch + pose.bend * np.sin(-math.pi * xy[:, 1])
    x = -x if pose.mirror else x
    y = xy[:, 1] / pose.stretch
    c, s = math.cos(pose.turn), math.sin(pose.turn)
    out = np.stack([c * x - s * y, s * x + c * y], axis=1) * pose.side + (pose.x, pose.y)
    parts = np.split(out * side, np.cumsum([len(points) for points in flat])[:-1])
    rows = iter(part.ravel().tolist() for part in parts)
    return [[next(rows) for _ in layer.shapes] for layer in layers]


def paint(
    canvas: Canvas,
    layers: list[Layer] | tuple[Layer, ...],
    pose: Pose,
    colour: RGB,
    lines: tuple[RGB, float] | None,
    rng: random.Random,
    solid: bool,
) -> None:
    """Draw layers in order; `lines` outlines each layer, `solid` also raises the height map."""
    side = canvas.image.width
    draw, relief = ImageDraw.Draw(canvas.image), ImageDraw.Draw(canvas.height)
    for i, (layer, rows) in enumerate(zip(layers, _placed(layers, pose, side), strict=True)):
        fill = _fill(layer.tone, colour, canvas.style)
        if lines and layer.tone not in UNLINED:
            width = max(2, round(lines[1] * side * (0.6 + 0.4 * pose.side)))
            for row in rows:
                draw.line([*row, row[0], row[1]], fill=lines[0], width=width)
                if canvas.style == "sketch" and solid:
                    dx, dy = rng.uniform(-0.007, 0.007) * side, rng.uniform(-0.007, 0.007) * side
                    twin = [v + (dy if k % 2 else dx) for k, v in enumerate(row)]
                    draw.line([*twin, twin[0], twin[1]], fill=lines[0], width=max(1, width // 2))
        for row in rows:
            draw.polygon(row, fill=fill)
            if solid and layer.tone != "beam":
                relief.polygon(row, fill=150 + 105 * (i + 1) // len(layers))
