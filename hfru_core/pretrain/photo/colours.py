"""The colour of what stands in the middle of a picture, where one is plain."""

from __future__ import annotations

import numpy as np
from PIL import Image

NAMES = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "grey", "white",
)  # fmt: skip
HUES = ((14, 0), (28, 1), (48, 2), (118, 3), (184, 4), (212, 5), (244, 6), (256, 0))  # up to
PLAIN = 0.6  # of the middle has this colour
MIDDLE = 0.5  # of each side
DARK, BRIGHT, PALE = 48, 205, 40  # of 255


def plain_colour(image: Image.Image) -> str | None:
    """The name of the colour that most of the middle has, or None."""
    wide, high = image.size
    edge = (1 - MIDDLE) / 2
    box = (edge * wide, edge * high, (1 - edge) * wide, (1 - edge) * high)
    small = image.convert("RGB").resize((24, 24), Image.Resampling.BOX, box)
    counts = np.bincount(named(np.asarray(small.convert("HSV"), dtype=int)), minlength=len(NAMES))
    best = int(counts.argmax())
    return NAMES[best] if counts[best] >= PLAIN * counts.sum() else None


def named(hsv: np.ndarray) -> np.ndarray:
    """The number of each pixel's colour, from hue, saturation and value (H, W, 3)."""
    hue, strong, light = hsv.reshape(-1, 3).T
    found = np.select([hue < up for up, _ in HUES], [i for _, i in HUES])
    warm = np.isin(found, (0, 1, 2))
    found = np.where(warm & (light < 170) & (hue > 5), NAMES.index("brown"), found)
    found = np.where((found == 0) & (light > 190) & (strong < 130), NAMES.index("pink"), found)
    weak = strong < PALE
    found = np.where(weak, NAMES.index("grey"), found)
    found = np.where(weak & (light > BRIGHT), NAMES.index("white"), found)
    return np.where(light < DARK, NAMES.index("black"), found)
