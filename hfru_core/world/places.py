"""The seven places: a backdrop (sky and ground colours, horizon) and muted layers over it."""

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from hfru_core.world.shapes import RGB, Layer, Shapes, box, oval, poly


class Backdrop(NamedTuple):
    """Sky and ground as colour ramps that meet at the horizon, and what stands there."""

    sky: tuple[RGB, RGB]
    ground: tuple[RGB, RGB]
    horizon: float
    layers: list[Layer]


def _ridge(rng: random.Random, base: float, height: float, peaks: int, floor: float) -> Shapes:
    """A jagged or rolling band from its ridge line down to `floor`."""
    shift = rng.random()
    points = [(-0.1, floor)]
    for i in range(2 * peaks + 3):
        lift = height * rng.uniform(0.6, 1.0) if i % 2 else height * rng.uniform(0.0, 0.25)
        points.append(((i - 1 + shift - 0.5) / (2 * peaks), base - lift))
    return poly(*points, (1.1, floor))


def _roll(rng: random.Random, base: float, height: float, waves: float, floor: float) -> Shapes:
    phase = rng.uniform(0, 6.28)
    xs = [i / 16 for i in range(17)]
    ridge = [(x, base - height * math.sin(phase + waves * 6.28 * x)) for x in xs]
    return poly((0.0, floor), *ridge, (1.0, floor))


def _beach(rng: random.Random) -> Backdrop:
    horizon, shore = rng.uniform(0.38, 0.46), rng.uniform(0.62, 0.68)
    foam = _roll(rng, shore + 0.012, 0.012, 2.5, shore - 0.02)
    waves: Shapes = []
    for _ in range(7):
        x, y = rng.uniform(0, 1), rng.uniform(horizon + 0.03, shore - 0.05)
        waves += oval(x, y, rng.uniform(0.04, 0.09), 0.006, n=10)
    shells: Shapes = []
    for _ in range(6):
        shells += oval(rng.uniform(0, 1), rng.uniform(shore + 0.08, 0.98), 0.014, 0.009, n=8)
    sun = oval(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.22), 0.07, 0.07)
    return Backdrop(
        ((190, 218, 234), (230, 240, 240)),
        ((238, 226, 196), (226, 208, 172)),
        horizon,
        [
            Layer((250, 246, 222), sun),
            Layer((140, 192, 202), box(-0.1, horizon, 1.1, shore)),
            Layer((184, 216, 220), waves),
            Layer((246, 248, 244), foam),
            Layer((250, 240, 226), shells),
        ],
    )


def _forest(rng: random.Random) -> Backdrop:
    far: Shapes = []
    near: Shapes = []
    for i in range(8):
        x, w = (i + rng.uniform(0.1, 0.9)) / 8, rng.uniform(0.012, 0.022)
        far += box(x - w, -0.1, x + w, 0.56)
    for i in range(4):
        x, w = (i + rng.uniform(0.05, 0.95)) / 4, rng.uniform(0.03, 0.045)
        near += poly(
            (x - w, -0.1),
            (x + w, -0.1),
            (x + w * 1.2, 0.62),
            (x + w * 1.8, 0.68),
            (x - w * 1.8, 0.68),
            (x - w * 1.2, 0.62),
        )
    leaves: Shapes = []
    for i in range(9):
        leaves += oval(i / 8, rng.uniform(-0.03, 0.06), 0.11, rng.uniform(0.08, 0.13), n=14)
    fern: Shapes = []
    for _ in range(9):
        x, y = rng.uniform(0, 1), rng.uniform(0.6, 0.98)
        fern += poly(
            (x - 0.03, y - 0.04),
            (x, y),
            (x + 0.03, y - 0.04),
            (x + 0.006, y - 0.015),
            (x, y - 0.06),
            (x - 0.006, y - 0.015),
        )
    return Backdrop(
        ((176, 196, 168), (206, 216, 190)),
        ((158, 166, 130), (142, 148, 114)),
        0.55,
        [
            Layer((164, 166, 142), far),
            Layer((128, 120, 102), near),
            Layer((120, 146, 114), leaves),
            Layer((122, 146, 106), fern),
        ],
    )


def _snow(rng: random.Random) -> Backdrop:
    base = rng.uniform(0.52, 0.6)
    peaks = _ridge(rng, base, 0.34, 2, 0.75)
    caps: Shapes = []
    top = peaks[0]
    for i in range(2, len(top) - 2):
        x, y = top[i]
        if y < top[i - 1][1] and y < top[i + 1][1]:
            left, right = (
                top[i] + 0.42 * (top[i - 1] - top[i]),
                top[i] + 0.42 * (top[i + 1] - top[i]),
            )
            low = max(left[1], right[1])
            caps += poly(
                (x, y), tuple(right), (x + 0.02, low - 0.03), (x - 0.02, low + 0.02), tuple(left)
            )
    flakes: Shapes = []
    for _ in range(26):
        flakes += oval(rng.uniform(0, 1), rng.uniform(0, 0.95), 0.009, 0.009, n=6)
    return Backdrop(
        ((184, 198, 218), (216, 224, 234)),
        ((248, 250, 252), (226, 234, 244)),
        base,
        [
            Layer((166, 178, 200), peaks),
            Layer((246, 249, 252), caps),
            Layer((246, 249, 252), _roll(rng, base + 0.02, 0.025, 0.8, 1.1)),
            Layer((255, 255, 255), flakes),
        ],
    )


def _city(rng: random.Random) -> Backdrop:
    towers: list[Layer] = []
    windows: Shapes = []
    x = -0.05
    while x < 1.0:
        w, top = rng.uniform(0.12, 0.2), rng.uniform(0.06, 0.36)
        grey = rng.randint(-10, 10)
        towers.append(Layer((182 + grey, 186 + grey, 202 + grey), box(x, top, x + w - 0.008, 0.74)))
        columns = 3 if w > 0.15 else 2
        for c in range(columns):
            for r in range(int((0.66 - top) / 0.075)):
                wx, wy = x + w * (c + 0.5) / columns, top + 0.04 + r * 0.075
                windows += box(wx - 0.016, wy, wx + 0.010, wy + 0.036)
        x += w
    dashes: Shapes = []
    for i in range(5):
        left = i * 0.25 + rng.uniform(-0.02, 0.02)
        dashes += poly(
            (left, 0.885), (left + 0.12, 0.885), (left + 0.10, 0.905), (left - 0.02, 0.905)
        )
    return Backdrop(
        ((214, 222, 234), (238, 234, 226)),
        ((168, 168, 176), (178, 178, 186)),
        0.72,
        [
            *towers,
            Layer((228, 226, 208), windows),
            Layer((214, 212, 208), box(-0.1, 0.69, 1.1, 0.765)),
            Layer((240, 238, 230), dashes),
        ],
    )


def _desert(rng: random.Random) -> Backdrop:
    base = rng.uniform(0.5, 0.56)
    mesas: Shapes = []
    for _ in range(2):
        x, w, h = rng.uniform(0.05, 0.95), rng.uniform(0.09, 0.15), rng.uniform(0.12, 0.22)
        mesas += poly(
            (x - w * 1.4, base + 0.04),
            (x - w, base - h * 0.5),
            (x - w * 0.9, base - h),
            (x + w * 0.9, base - h),
            (x + w, base - h * 0.5),
            (x + w * 1.4, base + 0.04),
        )
    ripples: Shapes = []
    for _ in range(8):
        px, py = rng.uniform(0, 1), rng.uniform(0.72, 0.98)
        ripples += oval(px, py, rng.uniform(0.05, 0.12), 0.005, n=10)
    sun = oval(rng.uniform(0.12, 0.88), rng.uniform(0.1, 0.2), 0.095, 0.095)
    return Backdrop(
        ((240, 214, 178), (250, 236, 206)),
        ((228, 196, 148), (214, 176, 128)),
        base,
        [
            Layer((255, 248, 222), sun),
            Layer((206, 160, 126), mesas),
            Layer((232, 202, 156), _roll(rng, base + 0.06, 0.05, 0.9, 1.1)),
            Layer((220, 186, 138), _roll(rng, base + 0.17, 0.05, 1.1, 1.1)),
            Layer((204, 168, 122), ripples),
        ],
    )  # fmt: skip


def _field(rng: random.Random) -> Backdrop:
    base = rng.uniform(0.46, 0.54)
    clouds: Shapes = []
    for _ in range(2):
        x, y = rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.22)
        for dx, r in ((-0.07, 0.045), (0.0, 0.065), (0.07, 0.04)):
            clouds += oval(x + dx, y, r * 1.3, r, n=14)
    rail = base + 0.09
    fence = box(-0.1, rail, 1.1, rail + 0.018) + box(-0.1, rail + 0.05, 1.1, rail + 0.068)
    for i in range(7):
        x = i / 6 + rng.uniform(-0.02, 0.02)
        fence += box(x - 0.014, rail - 0.03, x + 0.014, rail + 0.11)
    blades: Shapes = []
    for _ in range(22):
        x, y, h = rng.uniform(0, 1), rng.uniform(0.7, 1.0), rng.uniform(0.03, 0.05)
        blades += poly(
            (x - 0.012, y), (x - 0.014, y - h), (x, y - 0.01), (x + 0.014, y - h), (x + 0.012, y)
        )
    return Backdrop(
        ((188, 214, 240), (226, 238, 246)),
        ((182, 208, 150), (162, 192, 128)),
        base,
        [
            Layer((250, 252, 253), clouds),
            Layer((170, 196, 152), _roll(rng, base - 0.02, 0.05, 1.2, 0.8)),
            Layer((184, 210, 152), _roll(rng, base + 0.07, 0.02, 0.7, 1.1)),
            Layer((240, 236, 226), fence),
            Layer((146, 180, 116), blades),
        ],
    )


def _room(rng: random.Random) -> Backdrop:
    floor = rng.uniform(0.66, 0.72)
    wx, px = (0.24, 0.74) if rng.random() < 0.5 else (0.76, 0.26)
    wx, px = wx + rng.uniform(-0.05, 0.05), px + rng.uniform(-0.05, 0.05)
    boards: Shapes = []
    for i in range(-3, 10):
        boards += poly(
            (0.5 + (i - 3) * 0.13, floor),
            (0.507 + (i - 3) * 0.13, floor),
            (0.51 + (i - 3) * 0.22, 1.1),
            (0.50 + (i - 3) * 0.22, 1.1),
        )
    panes = box(wx - 0.13, 0.10, wx - 0.01, 0.24) + box(wx + 0.01, 0.10, wx + 0.13, 0.24)
    panes += box(wx - 0.13, 0.26, wx - 0.01, 0.42) + box(wx + 0.01, 0.26, wx + 0.13, 0.42)
    curtains = poly(
        (wx - 0.21, 0.05),
        (wx - 0.10, 0.05),
        (wx - 0.15, 0.28),
        (wx - 0.14, 0.48),
        (wx - 0.21, 0.48),
    )
    curtains += poly(
        (wx + 0.21, 0.05),
        (wx + 0.10, 0.05),
        (wx + 0.15, 0.28),
        (wx + 0.14, 0.48),
        (wx + 0.21, 0.48),
    )
    return Backdrop(
        ((226, 212, 206), (234, 222, 214)),
        ((198, 174, 150), (182, 156, 132)),
        floor,
        [
            Layer((248, 245, 240), box(wx - 0.15, 0.08, wx + 0.15, 0.44)),
            Layer((202, 220, 230), panes),
            Layer((204, 184, 186), curtains),
            Layer((190, 166, 148), box(px - 0.10, 0.14, px + 0.10, 0.36)),
            Layer((240, 234, 222), box(px - 0.08, 0.16, px + 0.08, 0.34)),
            Layer((184, 192, 180), poly((px - 0.08, 0.34), (px - 0.02, 0.23), (px + 0.02, 0.29),
                                        (px + 0.05, 0.25), (px + 0.08, 0.34))),
            Layer((168, 142, 120), boards),
            Layer((246, 242, 236), box(-0.1, floor - 0.035, 1.1, floor)),
        ],
    )  # fmt: skip


BACKDROPS: dict[str, Callable[[random.Random], Backdrop]] = {
    "beach": _beach,
    "forest": _forest,
    "snow": _snow,
    "city": _city,
    "desert": _desert,
    "field": _field,
    "room": _room,
}
