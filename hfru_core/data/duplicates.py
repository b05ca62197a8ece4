"""Which images show the same: by a perceptual hash, so that none is on both sides of a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

MOST_BITS = 5  # of 64 that may differ in images that show the same
MOST_COLOUR = 12  # of 255, in any of 8 x 8 cells


@dataclass(frozen=True)
class Look:
    """What an image looks like from afar: 64 signs of differences, the colours of 64 cells."""

    signs: int
    colours: bytes


def look(image: Image.Image) -> Look:
    """The look of an RGB image; saved anew or made smaller it stays nearly the same."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
    signs = np.packbits(grey[:, 1:] > grey[:, :-1])
    cells = image.resize((8, 8), Image.Resampling.BOX)
    return Look(int.from_bytes(signs.tobytes(), "big"), cells.tobytes())


def first_alike(looks: Sequence[Look]) -> list[int]:
    """For each image the number of the first one that it shows the same as, directly or by others.

    Plain areas have signs of chance, so the colours decide too: of fewer cells than 64, line
    drawings on white are all alike.
    """
    first = list(range(len(looks)))
    signs = np.array([x.signs for x in looks], np.uint64)
    colours = np.array([list(x.colours) for x in looks], np.int16).reshape(len(looks), 192)
    for i in range(1, len(looks)):
        near = np.flatnonzero(np.bitwise_count(signs[:i] ^ signs[i]) <= MOST_BITS)
        near = near[np.abs(colours[near] - colours[i]).max(1, initial=0) <= MOST_COLOUR]
        alike = {first[j] for j in near}
        if alike:
            least = min(alike)
            first = [least if f in alike else f for f in first]
            first[i] = least
    return first
