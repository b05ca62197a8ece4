"""Whether a picture is far from everything that the model of photographs was taught.

Its tower's first blocks stay as they were published, so a model that is trained anew sees the same
there. `tests.measure.far_or_not` finds the limit, and says how often it is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from hfru_core.files import read_json
from hfru_core.paths import ASSETS
from hfru_core.studio.sessions.models import base_model

if TYPE_CHECKING:
    from hfru_core.model.vlm import VLM

FILE = ASSETS / "far_or_not.json"
SIDE = 128  # as small as what it learned from: a sharper picture is not a stranger one
BATCH = 32


class Measure(NamedTuple):
    """What is usual: the features' `mean` (F), and `main` (F, K), the directions in which they
    differ more than by `rest`, as much as they do; `limit` is how far a picture may be."""

    mean: np.ndarray
    main: np.ndarray
    rest: float
    limit: float

    def distances(self, seen: np.ndarray) -> np.ndarray:
        """How far features (N, F) are from what is usual (N), in its own deviations."""
        off = seen - self.mean
        squares = (off**2).sum(1) / self.rest - ((off @ self.main) ** 2).sum(1)
        return np.sqrt(squares.clip(0))


def features(vlm: VLM, images: Sequence[Image.Image]) -> np.ndarray:
    """Mean and deviation of each channel behind the tower's first blocks: (N, 2 C)."""
    from hfru_core.studio.sessions.torch_side import photo_features as blocks

    small = [i.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC) for i in images]
    parts = []
    for at in range(0, len(small), BATCH):
        some = small[at : at + BATCH]
        pixels = vlm.inputs(some, [""] * len(some))["pixel_values"]
        maps = blocks.early(vlm.tower, pixels).flatten(2).float().cpu()
        parts += [maps.mean(2).numpy(), maps.std(2).numpy()]
    return np.concatenate([np.concatenate(parts[0::2]), np.concatenate(parts[1::2])], axis=1)


def digest(vlm: VLM) -> str:
    """Of the blocks' weights, in the format that they are published in; "" of another tower."""
    from hfru_core.studio.sessions.torch_side import photo_features as blocks

    if not vlm.family.maps or not hasattr(vlm.tower.encoder, "blocks"):
        return ""
    found = hashlib.sha256()
    for part in (vlm.tower.embeddings, vlm.tower.encoder.blocks[: blocks.FROZEN]):
        for weight in part.state_dict().values():
            found.update(weight.half().cpu().numpy().tobytes())
    return found.hexdigest()


def is_far(model: Path, image: Image.Image) -> bool:
    """Whether nothing like it was shown to the model; False where nobody measured its tower."""
    known = measure_of(model)
    if known is None:
        return False
    return float(known.distances(features(base_model(model), [image]))[0]) > known.limit


@lru_cache(maxsize=4)
def measure_of(model: Path) -> Measure | None:
    """The measure, where it was made for this model's tower."""
    found = read_json(FILE)
    if found["of"] != digest(base_model(model)):
        return None
    return Measure(np.array(found["mean"]), np.array(found["main"]), found["rest"], found["limit"])
