"""What an ambiguous image shows: one template per kind, and covers that stand before it."""

import random
from collections.abc import Callable

from hfru_core.world.shapes import Layer, Shapes, box, limb, oval


def _animal_blob() -> list[Layer]:
    legs: Shapes = []
    for x in (0.20, 0.33, 0.67, 0.80):
        legs += limb([(x, 0.56), (x, 0.94)], 0.11)
    return [Layer("body", legs + oval(0.5, 0.46, 0.42, 0.21))]


def _vehicle_blob() -> list[Layer]:
    return [
        Layer("body", oval(0.5, 0.66, 0.48, 0.18)),
        Layer("tyre", oval(0.24, 0.83, 0.13, 0.13) + oval(0.76, 0.83, 0.13, 0.13)),
    ]


def _building_blob() -> list[Layer]:
    return [
        Layer("body", box(0.22, 0.12, 0.78, 0.99)),
        Layer("ink", box(0.42, 0.74, 0.58, 0.99)),
        Layer("shine", box(0.43, 0.26, 0.57, 0.46)),
    ]


def _instrument_blob() -> list[Layer]:
    return [
        Layer(
            "wood", limb([(0.5, 0.6), (0.78, 0.10)], 0.10) + limb([(0.4, 0.7), (0.3, 0.96)], 0.06)
        ),
        Layer("body", oval(0.46, 0.64, 0.32, 0.26)),
        Layer("shine", oval(0.46, 0.60, 0.12, 0.10)),
    ]


def _plant_blob() -> list[Layer]:
    return [
        Layer((98, 104, 70), oval(0.5, 0.93, 0.26, 0.06)),
        Layer("body", oval(0.5, 0.46, 0.22, 0.44)),
        Layer("wood", box(0.44, 0.80, 0.56, 0.96)),
    ]


TEMPLATES: dict[str, Callable[[], list[Layer]]] = {
    "animal": _animal_blob,
    "instrument": _instrument_blob,
    "vehicle": _vehicle_blob,
    "building": _building_blob,
    "plant": _plant_blob,
}


def _bush(x: float, rng: random.Random) -> list[Layer]:
    blobs: Shapes = []
    for dx, y, r in (
        (-0.16, 0.80, 0.15),
        (0.16, 0.80, 0.15),
        (0.0, 0.70, 0.2),
        (-0.1, 0.6, 0.15),
        (0.1, 0.58, 0.15),
        (0.0, 0.46, 0.14),
        (0.0, 0.86, 0.2),
    ):
        blobs += oval(x + dx * 1.1, y, r, r)
    twigs: Shapes = []
    for _ in range(14):
        twigs += oval(x + rng.uniform(-0.2, 0.2), rng.uniform(0.45, 0.95), 0.03, 0.014, 0.6, n=8)
    return [Layer((112, 124, 104), blobs), Layer((136, 146, 124), twigs)]


def _wall(x: float, rng: random.Random) -> list[Layer]:
    joints: Shapes = []
    for r in range(1, 9):
        joints += box(x - 0.29, 0.34 + r * 0.075, x + 0.29, 0.348 + r * 0.075)
    for r in range(9):
        for c in range(3):
            jx = x - 0.22 + c * 0.18 + (0.09 if r % 2 else 0.0) + rng.uniform(-0.01, 0.01)
            joints += box(jx, 0.34 + r * 0.075, jx + 0.008, 0.415 + r * 0.075)
    return [
        Layer((182, 166, 156), box(x - 0.29, 0.34, x + 0.29, 1.02)),
        Layer((150, 136, 128), joints),
    ]


def _board(x: float, rng: random.Random) -> list[Layer]:
    planks: Shapes = []
    for c in range(1, 5):
        jx = x - 0.28 + c * 0.112 + rng.uniform(-0.01, 0.01)
        planks += box(jx, 0.32, jx + 0.008, 0.97)
    rails = box(x - 0.29, 0.42, x + 0.29, 0.46) + box(x - 0.29, 0.84, x + 0.29, 0.88)
    return [
        Layer((196, 186, 168), box(x - 0.28, 0.32, x + 0.28, 0.98)),
        Layer((160, 150, 134), planks),
        Layer((176, 166, 148), rails),
    ]


COVERS: tuple[Callable[[float, random.Random], list[Layer]], ...] = (_bush, _wall, _board)
