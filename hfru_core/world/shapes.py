"""Polygons in a unit box (x right, y down, ground at y = 1), the parts of every drawing."""

import math
from typing import NamedTuple

import numpy as np

RGB = tuple[int, int, int]
Shapes = list[np.ndarray]  # each (N, 2): one closed polygon in the unit box


class Layer(NamedTuple):
    """Polygons of one tone, outlined as one silhouette; the tone is a name or a fixed colour."""

    tone: str | RGB
    shapes: Shapes


def poly(*points: tuple[float, float]) -> Shapes:
    return [np.array(points, dtype=float)]


def box(left: float, top: float, right: float, bottom: float) -> Shapes:
    return poly((left, top), (right, top), (right, bottom), (left, bottom))


def oval(x: float, y: float, rx: float, ry: float, turn: float = 0.0, n: int = 24) -> Shapes:
    angle = np.arange(n) * (2 * math.pi / n)
    u, v = rx * np.cos(angle), ry * np.sin(angle)
    c, s = math.cos(turn), math.sin(turn)
    return [np.stack([x + c * u - s * v, y + s * u + c * v], axis=1)]


def ring(x: float, y: float, r: float, width: float) -> Shapes:
    outer, inner = oval(x, y, r, r, n=32)[0], oval(x, y, r - width, r - width, n=32)[0]
    return [np.concatenate([outer, outer[:1], inner[:1], inner[::-1]])]


def limb(points: list[tuple[float, float]], start: float, end: float | None = None) -> Shapes:
    """A round-ended stroke whose width runs from `start` to `end`."""
    widths = np.linspace(start, start if end is None else end, len(points)) / 2
    shapes: Shapes = []
    for (x, y), w in zip(points, widths, strict=True):
        shapes += oval(x, y, w, w, n=12)
    for i in range(len(points) - 1):
        (x0, y0), (x1, y1), a, b = points[i], points[i + 1], widths[i], widths[i + 1]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        nx, ny = (y0 - y1) / length, (x1 - x0) / length
        shapes += poly(
            (x0 + nx * a, y0 + ny * a),
            (x1 + nx * b, y1 + ny * b),
            (x1 - nx * b, y1 - ny * b),
            (x0 - nx * a, y0 - ny * a),
        )
    return shapes


def curve(*points: tuple[float, float], steps: int = 5) -> Shapes:
    """A closed smooth outline through the points (Catmull-Rom)."""
    p1 = np.array(points, dtype=float)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    out = []
    for t in np.arange(steps) / steps:
        out.append(
            0.5
            * (
                2 * p1
                + (p2 - p0) * t
                + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
                + (3 * p1 - p0 - 3 * p2 + p3) * t**3
            )
        )
    return [np.stack(out, axis=1).reshape(-1, 2)]
