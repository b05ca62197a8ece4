"""Neck, head and bare face of a portrait: eyes, brows, nose, mouth, wrinkles and skin marks."""

from __future__ import annotations

import numpy as np

from hfru_core.world.face_features import (
    BROW_SHAPES,
    EYE_RADII,
    EYE_RGB,
    FACE_WIDTHS,
    HAIR_RGB,
    SKIN_RGB,
    Features,
)
from hfru_core.world.pen import INK, Colour, Pen, Pose, arc, curve, mirrored, mix, shade, warm

Outline = list[tuple[float, float]]


def face_outline(face: str) -> np.ndarray:
    """Outline of the face in units."""
    forehead, cheek, jaw, chin = FACE_WIDTHS[face]
    return curve(
        mirrored(
            (
                (0, -23),
                (forehead * 0.62, -20.8),
                (forehead, -11),
                (cheek, 1),
                (jaw, 12),
                (jaw * 0.52, chin - 2.2),
                (0, chin),
            )
        )
    )


def draw_neck(pen: Pen, skin: Colour) -> None:
    pen.fill([(-8, 10), (8, 10), (8.5, 33), (0, 39.5), (-8.5, 33)], warm(skin, 0.12))
    pen.fill(curve([(-8, 14), (8, 14), (8, 24), (0, 28.5), (-8, 24)]), warm(skin, 0.28))


def draw_head(pen: Pen, features: Features, pose: Pose) -> None:
    """Ears and face with one shaded side and soft cheeks."""
    skin = SKIN_RGB[features.skin]
    width = FACE_WIDTHS[features.face][1]
    for side in (-1, 1):
        pen.oval(side * (width + 0.6), 1.5, 3.2, 4.8, warm(skin, 0.08))
        pen.oval(side * (width + 0.9), 1.5, 1.6, 2.8, warm(skin, 0.25))
    outline = face_outline(features.face)
    pen.fill(outline, warm(skin, 0.17))
    pen.fill(outline * (0.93, 0.97) + (pose.light * 1.2, -0.6), skin)
    pen.oval(pose.light * 4, -13, 8, 4.5, (*shade(skin, 0.5), 50))
    blush = (226, 84, 84) if features.skin != "dark" else (200, 70, 60)
    for side in (-1, 1):
        for radius, alpha in ((4.6, 34), (3.1, 34)):
            pen.oval(side * width * 0.62 + pose.turn, 7, radius, radius * 0.75, (*blush, alpha))


def draw_eye(pen: Pen, features: Features, expression: str, x: float, gaze: float) -> None:
    rx, ry = EYE_RADII[features.eyes]
    ry = ry * {"surprised": 1.3, "smiling": 0.95, "serious": 0.85}[expression]
    lens = curve([(-rx, 0.3), (-rx * 0.5, -ry * 0.85), (0, -ry), (rx * 0.5, -ry * 0.85),
                  (rx, 0.3), (rx * 0.5, ry * 0.8), (0, ry), (-rx * 0.5, ry * 0.8)])  # fmt: skip
    pen.fill(lens + (x, 0), (252, 252, 250))
    radius = min(2.7, ry + 0.5)
    colour = EYE_RGB[features.eye_colour]
    for r, tint in ((radius, shade(colour, -0.35)), (radius * 0.84, colour), (1.15, INK)):
        iris = arc(x + gaze, 0, r, r, 0, 360)
        iris[:, 1] = np.clip(iris[:, 1], -ry * 0.95, ry * 0.9)
        pen.fill(iris, tint)
    pen.oval(x + gaze + 0.8, -min(1.0, ry * 0.5), 0.75, 0.75, (255, 255, 255))
    pen.line(lens[:21:2] + (x, 0), 1.1, INK)


def draw_brow(pen: Pen, features: Features, expression: str, x: float) -> None:
    width, arch = BROW_SHAPES[features.brows]
    hair = HAIR_RGB[features.hair_colour]
    colour = shade(hair, -0.25) if features.hair_colour != "white" else (214, 212, 210)
    lift = {"surprised": -3.2, "smiling": -0.6, "serious": 0.9}[expression]
    inner = {"surprised": -0.5, "smiling": 0.0, "serious": 1.1}[expression]
    side = 1 if x > 0 else -1
    y = -7.2 + lift
    low = (x - side * 4.4, y - 0.3 * arch + inner)
    pen.line([low, (x + side * 1.6, y - arch), (x + side * 5.4, y + 0.9)], width * 1.1, colour)


def draw_nose(pen: Pen, nose: str, skin: Colour, x: float) -> None:
    dark, mid = warm(skin, 0.45), warm(skin, 0.2)
    if nose == "small":
        pen.oval(x, 5.6, 2.4, 1.7, mid)
        pen.oval(x, 5.0, 2.3, 1.5, shade(skin, 0.1))
    elif nose == "long":
        pen.line([(x - 1.2, -3), (x - 1.8, 3), (x - 2.6, 7.2), (x + 1.8, 8)], 1.0, dark)
    elif nose == "wide":
        pen.oval(x, 5.8, 4.7, 2.5, mid)
        pen.oval(x, 5.0, 3.2, 2.4, shade(skin, 0.12))
        for side in (-1, 1):
            pen.oval(x + side * 2.4, 7.2, 1.0, 0.6, dark)
    else:
        pen.fill([(x, -2), (x + 3.0, 7.2), (x, 7.8)], mid)
        pen.line([(x - 1.6, 7.2), (x, 8.0), (x + 3, 7.2)], 0.9, dark)


def draw_mouth(pen: Pen, expression: str, skin: Colour, x: float) -> None:
    lips = shade(mix(skin, (196, 60, 70)), -0.08)
    if expression == "smiling":
        top: Outline = [
            (-7, 10.8),
            (-3.5, 12.2),
            (0, 12.6),
            (3.5, 12.2),
            (7, 10.8),
        ]
        low: Outline = [(5, 15), (0, 17.2), (-5, 15)]
        pen.fill(curve(top + low) * (1.08, 1) + (x, 0), lips)
        pen.fill(curve(top + [(4.6, 14.4), (0, 16), (-4.6, 14.4)]) + (x, 0), (255, 254, 250))
    elif expression == "surprised":
        pen.oval(x, 14, 4.0, 4.6, lips)
        pen.oval(x, 14, 2.9, 3.5, (74, 18, 28))
        pen.oval(x, 16.1, 2.0, 1.3, (214, 92, 96))
    else:
        pen.fill(
            curve([(-5, 13.2), (-1.6, 12.3), (0, 12.7), (1.6, 12.3), (5, 13.2), (0, 15)]) + (x, 0),
            lips,
        )
        pen.line([(x - 5.4, 13.4), (x, 13.2), (x + 5.4, 13.4)], 0.7, shade(lips, -0.6))


def draw_lines_of_age(pen: Pen, age: str, skin: Colour, x: float) -> None:
    if age == "young":
        return
    dark = (*warm(skin, 0.5), 150)
    for side in (-1, 1):
        pen.line([(x + side * 5.6, 6.5), (x + side * 8.2, 9), (x + side * 8.8, 12)], 0.7, dark)
        if age == "old":
            pen.line([(x + side * 5, 4.4), (x + side * 8, 5.4), (x + side * 11, 4.2)], 0.7, dark)
    if age == "old":
        for y in (-13.4, -15.8):
            pen.line([(x - 6, y), (x, y - 0.8), (x + 6, y)], 0.6, dark)


def draw_skin_mark(pen: Pen, mark: str, skin: Colour, x: float) -> None:
    if mark == "freckles":
        spots = ((5, 4.6), (7.6, 6.4), (10, 4.4), (12.4, 6.6), (9.6, 8.4), (6.2, 8.4), (13, 3.4))
        for side in (-1, 1):
            for u, v in spots:
                pen.oval(x + side * u, v, 0.8, 0.75, (188, 98, 52))
    elif mark == "mole":
        pen.oval(x + 9.5, 10.5, 1.5, 1.5, warm(skin, 0.78))
    elif mark == "scar":
        line = shade(mix(skin, (206, 50, 60)), -0.1)
        pen.line([(x - 14.5, -1), (x - 11.5, 5), (x - 9.5, 12)], 1.3, line)
        for u, v in ((-13, 2.4), (-11.2, 6), (-10, 9.6)):
            pen.line([(x + u - 2, v + 0.8), (x + u + 2, v - 0.8)], 0.9, line)
