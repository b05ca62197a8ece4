"""Whether a picture is of the drawn world: its model's own view of it, parted by one line.

`tests.measure.drawn_or_not` finds the line, and says how often it is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hfru_core.files import read_json
from hfru_core.paths import ASSETS

if TYPE_CHECKING:
    from hfru_core.model.vlm import VLM

FILE = ASSETS / "drawn_or_not.json"


def features(vlm: VLM, images: Sequence[Image.Image]) -> np.ndarray:
    """Mean and deviation of each picture's image tokens: (N, 2 D)."""
    tokens = vlm.vision_features(images)
    return np.concatenate([tokens.mean(1).numpy(), tokens.std(1).numpy()], axis=1)


def is_drawn_world(vlm: VLM, image: Image.Image) -> bool:
    """Whether the drawn world's model was made for such a picture."""
    weights, bias = line()
    return float(features(vlm, [image])[0] @ weights) + bias > 0


@lru_cache(maxsize=1)
def line() -> tuple[np.ndarray, float]:
    """The weights (2 D) and the bias of the line."""
    found = read_json(FILE)
    return np.array(found["weights"]), found["bias"]
