"""The pen that draws portraits in units of the face, with its curves and mixed colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, ...]
Points = Sequence[tuple[float, float]] | np.ndarray

INK = (34, 28, 34)
ARC_STEPS = np.linspace(0, 1, 26)
STEPS = np.arange(5) / 5
SPLINE = np.stack(  # weights of four neighbours (Catmull-Rom), 5 points per segment
    (
        0.5 * (2 * STEPS**2 - STEPS - STEPS**3),
        0.5 * (2 - 5 * STEPS**2 + 3 * STEPS**3),
        0.5 * (STEPS + 4 * STEPS**2 - 3 * STEPS**3),
        0.5 * (STEPS**3 - STEPS**2),
    )
)


class Pose(NamedTuple):
    """Seeded variation of one image; lengths in hundredths of the image."""

    x: float
    y: float
    scale: float
    tilt: float  # radians
    turn: float  # shift of eyes, nose and mouth
    gaze: float
    light: int  # -1 light from the left, 1 from the right
    gain: float


@dataclass(frozen=True)
class Pen:
    """Draws in units of the face (origin between the eyes and the nose) on one image."""

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    scale: float
    tilt: float = 0.0

    def _place(self, points: Points) -> list[float]:
        cos, sin = math.cos(self.tilt) * self.scale, math.sin(self.tilt) * self.scale
        placed = np.asarray(points, dtype=float) @ np.array(((cos, sin), (-sin, cos)))
        return (placed + (self.x, self.y)).ravel().tolist()

    def fill(self, points: Points, colour: Colour) -> None:
        """Fill a polygon."""
        self.draw.polygon(self._place(points), fill=colour)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fill an upright oval (the small tilt of the pen moves only its centre)."""
        cx, cy = self._place([(x, y)])
        rx, ry = rx * self.scale, ry * self.scale
        self.draw.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=colour)

    def ring(self, x: float, y: float, radius: float, width: float, colour: Colour) -> None:
        """Draw a circle line."""
        cx, cy = self._place([(x, y)])
        r = radius * self.scale
        pixels = max(1, round(width * self.scale))
        self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), outline=colour, width=pixels)

    def line(self, points: Points, width: float, colour: Colour) -> None:
        """Draw a smooth stroke with thinner ends; the width is in units."""
        p = curve(points, closed=False)
        along = np.concatenate((p[1:2] - p[:1], p[2:] - p[:-2], p[-1:] - p[-2:-1]))
        normal = along[:, ::-1] * (-1, 1) / np.hypot(along[:, :1], along[:, 1:])
        t = np.arange(len(p))[:, None] * (2 / (len(p) - 1)) - 1
        offset = normal * (width / 2) * (1.06 - 0.5 * t**4)
        self.fill(np.concatenate((p + offset, (p - offset)[::-1])), colour)


def arc(x: float, y: float, rx: float, ry: float, start: float, stop: float) -> np.ndarray:
    """Points of an arc in degrees, clockwise on screen from the right."""
    angles = math.radians(start) + ARC_STEPS * math.radians(stop - start)
    points = np.empty((len(angles), 2))
    points[:, 0], points[:, 1] = x + rx * np.cos(angles), y + ry * np.sin(angles)
    return points


def curve(points: Points, *, closed: bool = True) -> np.ndarray:
    """Catmull-Rom curve through the points."""
    p = np.asarray(points, dtype=float)
    q = np.concatenate((p[-1:], p, p[:2]) if closed else (p[:1], p, p[-1:]))
    out = np.empty((len(q) - 3, len(STEPS), 2))
    for axis in (0, 1):
        column = q[:, axis]
        near = np.array((column[:-3], column[1:-2], column[2:-1], column[3:]))
        out[:, :, axis] = near.T @ SPLINE
    flat = out.reshape(-1, 2)
    return flat if closed else np.concatenate((flat, p[-1:]))


def mirrored(half: Points) -> np.ndarray:
    """Close a right half that runs from top to bottom with its mirror image."""
    right = np.asarray(half, dtype=float)
    return np.concatenate((right, right[-2:0:-1] * (-1, 1)))


def mix(one: Colour, other: Colour) -> Colour:
    return tuple((a + b) // 2 for a, b in zip(one, other, strict=True))


def shade(colour: Colour, amount: float) -> Colour:
    """Mix towards a dark violet (amount < 0) or white (amount > 0)."""
    target = (255, 250, 240) if amount > 0 else (30, 14, 30)
    return tuple(round(c + (t - c) * abs(amount)) for c, t in zip(colour, target, strict=True))


def warm(skin: Colour, amount: float) -> Colour:
    """Shade of a skin tone."""
    parts = zip(skin, (0.55, 1.0, 1.1), strict=True)
    return tuple(round(c * max(0.0, 1 - amount * part)) for c, part in parts)
