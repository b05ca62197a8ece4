"""Instruments, vehicles, buildings and plants, as layers of polygons in the unit box."""

import math
from collections.abc import Callable

import numpy as np

from hfru_core.world.shapes import Layer, Shapes, box, curve, limb, oval, poly, ring


def _guitar() -> list[Layer]:
    body = curve((0.50, 0.48), (0.62, 0.49), (0.67, 0.57), (0.62, 0.66), (0.70, 0.76),
                 (0.71, 0.90), (0.62, 0.98), (0.50, 0.99), (0.38, 0.98), (0.29, 0.90),
                 (0.30, 0.76), (0.38, 0.66), (0.33, 0.57), (0.38, 0.49))  # fmt: skip
    strings: Shapes = []
    for x in (0.475, 0.5, 0.525):
        strings += box(x - 0.004, 0.10, x + 0.004, 0.86)
    pegs: Shapes = []
    for y in (0.03, 0.08, 0.13):
        pegs += oval(0.425, y, 0.022, 0.015, n=10) + oval(0.575, y, 0.022, 0.015, n=10)
    layers = [
        Layer("body", body),
        Layer("ink", oval(0.5, 0.66, 0.078, 0.075) + pegs),
        Layer("dark", curve((0.61, 0.70), (0.66, 0.78), (0.64, 0.88), (0.58, 0.80))),
        Layer("wood", box(0.46, 0.14, 0.54, 0.62) + poly((0.43, 0.0), (0.57, 0.0), (0.55, 0.17),
                                                         (0.45, 0.17))),
        Layer("ink", box(0.42, 0.85, 0.58, 0.88)),
        Layer("shine", strings),
    ]  # fmt: skip
    return [Layer(tone, [_turned(s, 0.45) for s in shapes]) for tone, shapes in layers]


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    centre = np.array([0.5, 0.5])
    return (points - centre) @ np.array([[c, s], [-s, c]]) * 0.97 + centre


def _drum() -> list[Layer]:
    shell = box(0.12, 0.42, 0.88, 0.80) + oval(0.5, 0.80, 0.38, 0.14)
    band = [
        np.concatenate(
            [oval(0.5, y, 0.39, 0.14)[0][0:13], oval(0.5, y + 0.06, 0.39, 0.14)[0][12::-1]]
        )
        for y in (0.42, 0.78)
    ]
    zigzag: Shapes = []
    tops, feet = (0.17, 0.38, 0.62, 0.83), (0.27, 0.5, 0.73)
    for i, x in enumerate(feet):
        zigzag += limb([(tops[i], 0.57), (x, 0.84), (tops[i + 1], 0.57)], 0.025)
    sticks = limb([(0.42, 0.34), (0.06, 0.12)], 0.035) + limb([(0.58, 0.34), (0.94, 0.12)], 0.035)
    sticks += oval(0.42, 0.34, 0.04, 0.035) + oval(0.58, 0.34, 0.04, 0.035)
    return [
        Layer("body", shell),
        Layer("shine", zigzag),
        Layer("dark", band),
        Layer("white", oval(0.5, 0.42, 0.39, 0.14)),
        Layer("wood", sticks),
    ]


def _piano() -> list[Layer]:
    keys: Shapes = []
    for i in range(8):
        keys += box(0.085 + i * 0.041, 0.52, 0.101 + i * 0.041, 0.56)
    lid = curve(
        (0.34, 0.44),
        (0.42, 0.18),
        (0.62, 0.03),
        (0.84, 0.02),
        (0.97, 0.12),
        (0.96, 0.24),
        (0.80, 0.40),
    )
    legs = limb([(0.20, 0.66), (0.20, 0.95)], 0.06, 0.04) + limb(
        [(0.84, 0.66), (0.84, 0.95)], 0.06, 0.04
    )
    legs += limb([(0.52, 0.66), (0.52, 0.93)], 0.05, 0.035)
    return [
        Layer("dark", lid),
        Layer("ink", limb([(0.72, 0.46), (0.82, 0.14)], 0.018)),
        Layer("dark", legs + limb([(0.36, 0.66), (0.36, 0.92)], 0.02)),
        Layer("body", curve((0.06, 0.52), (0.20, 0.45), (0.60, 0.44), (0.90, 0.44), (0.97, 0.52),
                            (0.94, 0.68), (0.60, 0.72), (0.16, 0.71), (0.05, 0.66))),
        Layer("body", box(0.04, 0.56, 0.46, 0.66) + box(0.26, 0.36, 0.42, 0.46)),
        Layer("white", box(0.07, 0.52, 0.42, 0.59)),
        Layer("ink", keys + oval(0.20, 0.96, 0.03, 0.02) + oval(0.84, 0.96, 0.03, 0.02)),
    ]  # fmt: skip


def _car() -> list[Layer]:
    body = curve((0.02, 0.66), (0.05, 0.55), (0.20, 0.51), (0.30, 0.35), (0.44, 0.31),
                 (0.60, 0.33), (0.73, 0.52), (0.93, 0.57), (0.98, 0.68), (0.96, 0.82),
                 (0.60, 0.84), (0.30, 0.84), (0.04, 0.82))  # fmt: skip
    wheels: Shapes = oval(0.25, 0.83, 0.125, 0.125) + oval(0.76, 0.83, 0.125, 0.125)
    return [
        Layer("body", body),
        Layer("glass", poly((0.27, 0.51), (0.34, 0.38), (0.46, 0.36), (0.46, 0.52))
              + poly((0.50, 0.36), (0.59, 0.38), (0.68, 0.53), (0.50, 0.52))),
        Layer("spot", box(0.03, 0.77, 0.97, 0.82) + box(0.52, 0.58, 0.59, 0.60)
              + box(0.477, 0.53, 0.488, 0.77)),
        Layer("white", oval(0.94, 0.64, 0.03, 0.035)),
        Layer("tyre", wheels),
        Layer("shine", oval(0.25, 0.83, 0.06, 0.06) + oval(0.76, 0.83, 0.06, 0.06)),
        Layer("ink", oval(0.25, 0.83, 0.02, 0.02) + oval(0.76, 0.83, 0.02, 0.02)),
    ]  # fmt: skip


def _boat() -> list[Layer]:
    hull = curve(
        (0.02, 0.70),
        (0.30, 0.72),
        (0.70, 0.72),
        (0.99, 0.66),
        (0.92, 0.84),
        (0.80, 0.96),
        (0.50, 0.97),
        (0.22, 0.96),
        (0.10, 0.86),
    )
    return [
        Layer("wood", box(0.465, 0.03, 0.495, 0.74)),
        Layer("white", curve((0.51, 0.06), (0.66, 0.24), (0.84, 0.52), (0.90, 0.62), (0.70, 0.63),
                             (0.51, 0.62))),
        Layer("light", curve((0.45, 0.14), (0.45, 0.40), (0.45, 0.62), (0.26, 0.63), (0.14, 0.61),
                             (0.30, 0.42))),
        Layer("body", hull + poly((0.50, 0.02), (0.66, 0.06), (0.50, 0.11))),
        Layer("shine", curve((0.07, 0.785), (0.5, 0.80), (0.94, 0.765), (0.93, 0.80), (0.5, 0.84),
                             (0.08, 0.82))),
    ]  # fmt: skip


def _bicycle() -> list[Layer]:
    back, front, crank, seat, bars = (
        (0.22, 0.74),
        (0.78, 0.74),
        (0.45, 0.76),
        (0.37, 0.42),
        (0.66, 0.42),
    )
    spokes: Shapes = []
    for x, y in (back, front):
        for k in range(4):
            dx, dy = 0.19 * math.cos(k * 0.785), 0.19 * math.sin(k * 0.785)
            spokes += limb([(x - dx, y - dy), (x + dx, y + dy)], 0.009)
    frame = limb([back, crank, bars, seat, back], 0.06) + limb([seat, crank], 0.06)
    frame += limb([(0.645, 0.34), bars, front], 0.06)
    return [
        Layer("ink", spokes),
        Layer("tyre", ring(*back, 0.215, 0.045) + ring(*front, 0.215, 0.045)),
        Layer("ink", limb([(0.37, 0.42), (0.355, 0.33)], 0.035)),
        Layer("body", frame + oval(*back, 0.045, 0.045) + oval(*front, 0.045, 0.045)),
        Layer("ink", limb([(0.27, 0.31), (0.45, 0.31)], 0.075, 0.045)
              + limb([(0.645, 0.33), (0.63, 0.25), (0.74, 0.24), (0.77, 0.30)], 0.04)
              + ring(*crank, 0.07, 0.025) + limb([(0.41, 0.68), (0.49, 0.85)], 0.025)
              + limb([(0.46, 0.86), (0.53, 0.86)], 0.03)),
    ]  # fmt: skip


def _house() -> list[Layer]:
    panes = box(0.21, 0.56, 0.39, 0.74) + box(0.64, 0.56, 0.82, 0.74)
    bars = box(0.29, 0.56, 0.31, 0.74) + box(0.21, 0.64, 0.39, 0.66)
    bars += box(0.72, 0.56, 0.74, 0.74) + box(0.64, 0.64, 0.82, 0.66)
    return [
        Layer("dark", box(0.70, 0.12, 0.81, 0.40)),
        Layer("body", box(0.12, 0.42, 0.90, 0.99)),
        Layer("dark", poly((0.02, 0.47), (0.51, 0.06), (1.0, 0.47))),
        Layer("light", oval(0.51, 0.33, 0.065, 0.065)),
        Layer("white", panes),
        Layer("glass", box(0.225, 0.575, 0.375, 0.725) + box(0.655, 0.575, 0.805, 0.725)),
        Layer("shine", bars),
        Layer("wood", box(0.44, 0.66, 0.58, 0.99)),
        Layer("shine", oval(0.55, 0.83, 0.014, 0.014, n=8)),
    ]


def _lighthouse() -> list[Layer]:
    def band(y0: float, y1: float) -> Shapes:
        a, b = 0.13 + 0.10 * (y0 - 0.27) / 0.65, 0.13 + 0.10 * (y1 - 0.27) / 0.65
        return poly((0.5 - a, y0), (0.5 + a, y0), (0.5 + b, y1), (0.5 - b, y1))

    beam = poly((0.5, 0.185), (0.98, 0.08), (0.98, 0.29)) + poly(
        (0.5, 0.185), (0.02, 0.08), (0.02, 0.29)
    )
    return [
        Layer("beam", beam),
        Layer("body", band(0.27, 0.94)),
        Layer("shine", band(0.40, 0.52) + band(0.66, 0.78)),
        Layer("glass", box(0.43, 0.13, 0.57, 0.25)),
        Layer("ink", box(0.49, 0.13, 0.51, 0.25) + oval(0.5, 0.60, 0.028, 0.04)
              + curve((0.45, 0.93), (0.45, 0.86), (0.5, 0.83), (0.55, 0.86), (0.55, 0.93))),
        Layer("body", curve((0.40, 0.14), (0.44, 0.07), (0.50, 0.03), (0.56, 0.07), (0.60, 0.14))),
        Layer("dark", box(0.33, 0.24, 0.67, 0.28) + box(0.24, 0.93, 0.76, 0.99)),
    ]  # fmt: skip


def _castle() -> list[Layer]:
    def crenels(left: float, right: float, top: float, n: int) -> Shapes:
        step = (right - left) / (2 * n - 1)
        cells: Shapes = []
        for i in range(n):
            cells += box(left + 2 * i * step, top, left + (2 * i + 1) * step, top + 0.08)
        return cells

    towers = box(0.04, 0.40, 0.28, 0.99) + box(0.72, 0.40, 0.96, 0.99)
    towers += crenels(0.02, 0.30, 0.34, 3) + crenels(0.70, 0.98, 0.34, 3)
    towers += box(0.02, 0.40, 0.30, 0.46) + box(0.70, 0.40, 0.98, 0.46)
    keep = box(0.38, 0.26, 0.62, 0.60) + crenels(0.36, 0.64, 0.20, 3) + box(0.36, 0.26, 0.64, 0.31)
    slits: Shapes = []
    for x, y in ((0.16, 0.58), (0.84, 0.58), (0.16, 0.76), (0.84, 0.76), (0.5, 0.42)):
        slits += box(x - 0.022, y - 0.05, x + 0.022, y + 0.05)
    gate = curve((0.39, 0.99), (0.39, 0.80), (0.5, 0.70), (0.61, 0.80), (0.61, 0.99))
    bricks: Shapes = []
    for x, y in (
        (0.30, 0.72),
        (0.64, 0.70),
        (0.33, 0.88),
        (0.08, 0.88),
        (0.88, 0.90),
        (0.20, 0.67),
        (0.76, 0.68),
        (0.55, 0.35),
    ):
        bricks += box(x, y, x + 0.055, y + 0.022)
    return [
        Layer("ink", box(0.495, 0.02, 0.512, 0.24)),
        Layer("light", poly((0.512, 0.02), (0.66, 0.065), (0.512, 0.11))),
        Layer("dark", keep),
        Layer("body", box(0.24, 0.58, 0.76, 0.99) + crenels(0.30, 0.70, 0.52, 4)),
        Layer("body", towers),
        Layer("spot", bricks),
        Layer("ink", slits + gate),
    ]


def _tree() -> list[Layer]:
    trunk = poly((0.44, 0.55), (0.56, 0.55), (0.57, 0.88), (0.64, 0.99), (0.36, 0.99), (0.43, 0.88))
    crown: Shapes = []
    for x, y, r in (
        (0.5, 0.34, 0.27),
        (0.28, 0.42, 0.19),
        (0.72, 0.42, 0.19),
        (0.36, 0.22, 0.18),
        (0.63, 0.22, 0.18),
        (0.5, 0.53, 0.17),
    ):
        crown += oval(x, y, r, r)
    leaves: Shapes = []
    for x, y in ((0.62, 0.46), (0.42, 0.54), (0.74, 0.36), (0.28, 0.46), (0.52, 0.38)):
        leaves += oval(x, y, 0.055, 0.03, 0.5, n=12)
    glints: Shapes = []
    for x, y in ((0.34, 0.20), (0.50, 0.14), (0.24, 0.36), (0.44, 0.30)):
        glints += oval(x, y, 0.055, 0.03, -0.5, n=12)
    return [
        Layer("wood", trunk + limb([(0.5, 0.62), (0.66, 0.5)], 0.05)),
        Layer("body", crown),
        Layer("spot", leaves),
        Layer("light", glints),
    ]


def _cactus() -> list[Layer]:
    stem = limb([(0.5, 0.16), (0.5, 0.96)], 0.25, 0.23)
    arms = limb([(0.5, 0.66), (0.22, 0.62), (0.19, 0.36)], 0.14, 0.13)
    arms += limb([(0.5, 0.54), (0.78, 0.50), (0.81, 0.20)], 0.14, 0.13)
    ribs: Shapes = []
    for x in (0.44, 0.5, 0.56):
        ribs += limb([(x, 0.12), (x, 0.95)], 0.016)
    ribs += limb([(0.19, 0.36), (0.22, 0.62)], 0.014) + limb([(0.81, 0.20), (0.78, 0.50)], 0.014)
    spines: Shapes = []
    for x, y in (
        (0.37, 0.2),
        (0.63, 0.2),
        (0.37, 0.34),
        (0.63, 0.38),
        (0.37, 0.48),
        (0.63, 0.66),
        (0.37, 0.8),
        (0.63, 0.8),
        (0.12, 0.4),
        (0.13, 0.54),
        (0.88, 0.24),
        (0.87, 0.4),
    ):
        out = 0.035 if x > 0.5 else -0.035
        spines += limb([(x, y), (x + out, y - 0.025)], 0.012)
    return [Layer("ink", spines), Layer("body", stem + arms), Layer("spot", ribs),
            Layer("shine", oval(0.5, 0.05, 0.05, 0.03) + oval(0.46, 0.03, 0.03, 0.03)
                  + oval(0.54, 0.03, 0.03, 0.03))]  # fmt: skip


OBJECTS: dict[str, Callable[[], list[Layer]]] = {
    "guitar": _guitar, "drum": _drum, "piano": _piano,
    "car": _car, "boat": _boat, "bicycle": _bicycle,
    "house": _house, "lighthouse": _lighthouse, "castle": _castle,
    "tree": _tree, "cactus": _cactus,
}  # fmt: skip
