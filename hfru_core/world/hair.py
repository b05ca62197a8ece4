"""Hair of a portrait, behind and before the face, and beards."""

from __future__ import annotations

import numpy as np

from hfru_core.world.face_features import FACE_WIDTHS, HAIR_RGB, SKIN_RGB, Features
from hfru_core.world.head import face_outline
from hfru_core.world.pen import Colour, Pen, Points, arc, curve, mirrored, shade

HAIRLINES = {  # right to left; x in half widths of the face, y in units
    "part": (
        (1.02, 0), (0.92, -8), (0.6, -12), (0.1, -15.5), (-0.38, -20.5),
        (-0.62, -13), (-0.9, -8), (-1.02, 0),
    ),
    "middle": ((1.02, 2), (0.93, -5), (0.62, -12), (0, -21), (-0.62, -12), (-0.93, -5), (-1.02, 2)),
    "fringe": (
        (1.02, 8), (0.92, 0), (0.86, -8), (0.4, -9.6), (0, -9), (-0.4, -9.6),
        (-0.86, -8), (-0.92, 0), (-1.02, 8),
    ),
    "short": (
        (1.02, -1), (0.94, -9), (0.78, -13.5), (0.35, -15), (-0.35, -15), (-0.78, -13.5),
        (-0.94, -9), (-1.02, -1),
    ),
}  # fmt: skip


def draw_facial_hair(pen: Pen, features: Features, x: float) -> None:
    hair = HAIR_RGB[features.hair_colour]
    if features.mark == "beard":
        outline = face_outline(features.face)
        low = outline[outline[:, 1] > -1]
        low = low[np.argsort(np.arctan2(low[:, 0], low[:, 1] + 2))]
        inner = [(15, 4), (11, 8.5), (6, 9), (0, 8.4), (-6, 9), (-11, 8.5), (-15, 4)]
        bush = low * (1.04, 1.0) + (0, 1) * (np.clip(low[:, 1:], 0, 30) * 0.14)
        pen.fill(np.concatenate((bush, curve(inner, closed=False) + (x, 0))), hair)
        for u in (-9, -3, 3, 9):
            pen.line([(u + x, 19), (u * 0.8 + x, 24 - abs(u) * 0.3)], 0.7, shade(hair, -0.25))
        pen.oval(x, 13.9, 6.6, 3.4, SKIN_RGB[features.skin])
    if features.mark == "goatee":
        pen.fill(
            curve([(x - 5, 17), (x, 18), (x + 5, 17), (x + 4, 26), (x, 29.5), (x - 4, 26)]), hair
        )
    if features.mark in ("moustache", "goatee"):
        big = 1.0 if features.mark == "moustache" else 0.72
        edge = [(0, 8.6), (5, 8.2), (9, 10.6), (12.5, 8.4), (10.5, 12.6), (5, 12.2), (0, 11)]
        wing = curve(edge)
        for side in (-1, 1):
            pen.fill((wing - (0, 9)) * (side * big, big) + (x, 9), shade(hair, -0.06 * (side + 1)))


def _draw_cap(pen: Pen, width: float, colour: Colour, hairline: str, lift: float = 3.0) -> None:
    """Hair on top of the head down to a hairline, with a shine."""
    top = arc(0, 0, width + 2.6, 23 + lift, 180, 360)
    line = curve(np.array(HAIRLINES[hairline]) * (width + 1.6, 1), closed=False)
    pen.fill(np.concatenate((top, line)), colour)
    pen.line(line[::2], 0.9, shade(colour, -0.25))
    shine = arc(0, 0, width - 2, 19 + lift, 212, 258)
    pen.line(shine[::6], 2.2, shade(colour, 0.24))


def _draw_puffs(pen: Pen, centres: Points, radius: float, colour: Colour) -> None:
    """Round locks: dark rims first, then fills with a small shine each."""
    for x, y in centres:
        pen.oval(x, y + 0.6, radius + 0.5, radius + 0.5, shade(colour, -0.3))
    for x, y in centres:
        pen.oval(x, y, radius, radius, colour)
        pen.oval(
            x - radius * 0.25, y - radius * 0.35, radius * 0.45, radius * 0.3, shade(colour, 0.16)
        )


def draw_hair_back(pen: Pen, features: Features) -> None:
    """Hair behind head and neck."""
    colour = HAIR_RGB[features.hair_colour]
    dark, width = shade(colour, -0.25), FACE_WIDTHS[features.face][1]
    half: Points
    if features.hair == "afro":
        pen.oval(0, -8, width + 10.5, 25.5, colour)
        _draw_puffs(pen, arc(0, -8, width + 8.5, 23, 140, 400)[::2], 5.2, colour)
    elif features.hair == "wavy":
        half = ((0, -25), (16, -21), (width + 5, -6), (width + 3, 4), (width + 9, 14),
                (width + 5, 24), (width + 10, 34), (width + 2, 41), (0, 36))  # fmt: skip
        pen.fill(curve(mirrored(half)), dark)
    elif features.hair == "long":
        half = ((0, -25), (15, -21), (width + 4, -6), (width + 6, 20), (width + 6, 44), (0, 44))
        pen.fill(curve(mirrored(half)), dark)
    elif features.hair == "bob":
        half = ((0, -26), (16, -22), (width + 5, -6), (width + 7, 10), (width + 5, 21), (0, 20))
        pen.fill(curve(mirrored(half)), dark)
    elif features.hair == "buns":
        for side in (-1, 1):
            _draw_puffs(pen, [(side * (width + 1), -21)], 8.6, colour)
            pen.line([(side * width - 3.5, -20), (side * width + 5, -23)], 0.8, dark)


def _draw_locks(pen: Pen, features: Features, width: float, colour: Colour) -> None:
    """Hair that falls in front of ears and shoulders."""
    for side in (-1, 1):
        if features.hair == "braids":
            beads = [(side * (width + 1.6 + i * 0.5), 3 + 6.3 * i) for i in range(7)]
            _draw_puffs(pen, beads, 4.5, colour)
            pen.oval(side * (width + 4.4), 37.6, 3.8, 1.9, (226, 60, 96))
            continue
        reach = {"wavy": 8.0, "long": 6.5, "bob": 7.0}[features.hair]
        end = {"wavy": 30, "long": 44, "bob": 20}[features.hair]
        edge = np.array((
            (width - 1.5, -10), (width + 3, -9), (width + reach - 2, 4), (width + reach, 14),
            (width + reach - 1, end), (width - 1.5, end - 1), (width - 0.5, 10), (width - 2.5, 0),
        )) * (side, 1)  # fmt: skip
        pen.fill(curve(edge), colour)
        pen.line(edge[1:4] - (side * 1.4, 0), 1.1, shade(colour, 0.2))


def _draw_spikes(pen: Pen, width: float, colour: Colour) -> None:
    angles = np.radians(np.linspace(186, 354, 17))
    reach = np.where(np.arange(17) % 2 == 1, 34.5, 24.5)
    rim = np.stack(
        (
            np.cos(angles) * (width + 2.5) * np.where(reach > 30, 1.26, 1),
            np.sin(angles) * reach + 1,
        ),
        axis=1,
    )
    fringe = [(1, 0), (0.9, -9), (0.72, -15), (0.55, -9), (0.3, -15.5), (0.1, -9.5), (-0.15, -15.5),
              (-0.38, -9), (-0.6, -15), (-0.78, -9.5), (-0.9, -12), (-1, 0)]  # fmt: skip
    pen.fill(np.concatenate((rim, np.array(fringe) * (width + 1.6, 1))), colour)
    for x in (-9, -1, 7):
        pen.line([(x, -19), (x + 1.6, -26)], 1.3, shade(colour, 0.24))


def _draw_quiff(pen: Pen, width: float, colour: Colour) -> None:
    _draw_cap(pen, width, shade(colour, -0.22), "short", 1.5)
    pen.fill(
        curve(
            [
                (-width - 1.5, -7),
                (-width - 2, -17),
                (-14, -26),
                (-4, -33),
                (9, -36),
                (19, -33.5),
                (16, -30.5),
                (width + 3.5, -26),
                (width + 2.5, -17),
                (width + 0.5, -9),
                (10, -14.5),
                (0, -13.5),
                (-10, -12.5),
            ]
        ),
        colour,
    )
    for dy, tone in ((0, 0.28), (4.2, -0.22), (8.2, 0.18)):
        start, middle = (-14 + dy * 0.9, -18 + dy * 0.25), (-5 + dy, -27 + dy * 0.9)
        pen.line([start, middle, (10, -31.5 + dy)], 1.5, shade(colour, tone))


def draw_hair_front(pen: Pen, features: Features) -> None:
    """Hair on top of the face."""
    style, width = features.hair, FACE_WIDTHS[features.face][1]
    colour = HAIR_RGB[features.hair_colour]
    if style == "bald":
        pen.oval(-5, -17.5, 5, 2.2, (255, 255, 255, 70))
    elif style == "spiky":
        _draw_spikes(pen, width, colour)
    elif style == "quiff":
        _draw_quiff(pen, width, colour)
    elif style in ("afro", "curly"):
        _draw_cap(pen, width, colour, "short")
        if style == "curly":
            _draw_puffs(pen, arc(0, -4, width + 2, 22, 176, 364)[::3], 4.8, colour)
        _draw_puffs(pen, arc(0, 0, width - 3, 17.5, 200, 340)[::4], 3.6, colour)
    else:
        line = {"wavy": "part", "bob": "fringe", "short": "short"}.get(style, "middle")
        if style in ("wavy", "long", "bob", "braids"):
            _draw_locks(pen, features, width, colour)
        _draw_cap(pen, width, colour, line, 4.0)
