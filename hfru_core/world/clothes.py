"""What people in portraits wear: shirt, glasses and hat."""

from __future__ import annotations

import numpy as np

from hfru_core.world.pen import INK, Pen, arc, curve, mirrored, shade

CLOTH_RGB = {
    "red": (212, 52, 56),
    "orange": (242, 134, 34),
    "yellow": (248, 208, 56),
    "green": (58, 152, 84),
    "blue": (46, 100, 200),
    "purple": (134, 72, 176),
}


def draw_shirt(pen: Pen, shirt: str, light: int, *, collar: bool = True) -> None:
    """Shoulders with a shirt, drawn over the neck."""
    base = CLOTH_RGB[shirt]
    half = ((0, 37), (7, 33.5), (11, 33), (25, 37), (34, 42.5), (38, 53), (40, 75), (0, 80))
    body = mirrored(half)
    pen.fill(curve(body if collar else body[1:]), base)
    sleeve = np.array(((24, 80), (27, 47), (33, 43), (37.5, 53), (39.5, 75), (39.5, 80)))
    pen.fill(sleeve * (-light, 1), shade(base, -0.2))
    for side in (-1, 1):
        pen.line([(side * 23, 80), (side * 25.5, 60), (side * 24, 48)], 0.9, shade(base, -0.3))
        if collar:
            pen.fill(
                [(side * 7, 31), (side * 12.5, 34), (side * 9, 43.5), (0, 38.5)],
                shade(base, 0.22 if side == light else 0.1),
            )
    if collar:
        pen.line([(0, 39), (0, 80)], 0.6, shade(base, -0.3))
        pen.oval(0, 47, 1.1, 1.1, shade(base, 0.6))


def draw_glasses(pen: Pen, x: float, width: float) -> None:
    for side in (-1, 1):
        pen.oval(x + side * 8, 0.3, 6.4, 6.4, (255, 255, 255, 46))
        pen.ring(x + side * 8, 0.3, 6.9, 1.3, INK)
        pen.line([(x + side * 14.4, -1), (side * (width + 1), -1.6)], 1.2, INK)
    pen.line([(x - 1.6, -0.5), (x, -1.4), (x + 1.6, -0.5)], 1.3, INK)


def draw_hat(pen: Pen, hat: str, light: int) -> None:
    """A small bowler that leaves the hairline and the sides free."""
    base = CLOTH_RGB[hat]
    pen.fill(np.concatenate((arc(0, -24, 14, 15.5, 180, 360), [(14, -21), (-14, -21)])), base)
    pen.fill(arc(light * 4, -29, 5, 6, 0, 360), (*shade(base, 0.5), 90))
    pen.fill([(-14, -26.5), (14, -26.5), (14, -21), (-14, -21)], shade(base, -0.5))
    pen.fill(arc(0, -20.4, 21, 3.2, 0, 360), shade(base, -0.25))
    pen.fill(arc(0, -21.2, 21, 2.8, 0, 360), base)
