"""The line between drawn pictures and all others, and how often it is wrong.

python -m tests.measure.drawn_or_not --photos FILE.parquet --pacs FILE.parquet
"""

from __future__ import annotations

import argparse
import io
import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hfru_core.data import drawn
from hfru_core.data.images import open_image
from hfru_core.evaluate import share
from hfru_core.model import vlm
from hfru_core.paths import MODEL
from hfru_core.studio.sessions.drawn_or_not import FILE, features

COMMAND = "python -m tests.measure.drawn_or_not --photos FILE.parquet --pacs FILE.parquet"
SIZES = (96, 128, 128, 256, 512)
Shown = tuple[str, Image.Image]


def saved_again(image: Image.Image, rng: random.Random) -> Image.Image:
    """As people keep and send pictures: as it is, or compressed."""
    kind = rng.choice(("PNG", "JPEG", "WEBP"))
    file = io.BytesIO()
    image.save(file, kind, quality=rng.choice((75, 85, 92)))
    return open_image(file.getvalue())


def of_the_world(count: int, rng: random.Random) -> Iterator[Shown]:
    for number in range(count):
        key = drawn.key_of(12, "gate", rng.choice(drawn.SUBJECTS), number)
        yield "drawn", saved_again(drawn.draw(key, rng.choice(SIZES)), rng)
        drawn.draw.cache_clear()


def others(file: Path, column: str, count: int, rng: random.Random) -> Iterator[Shown]:
    """Pictures of a parquet file by the value of a column, some of them enlarged."""
    rows = parquet.read_table(file, columns=["image", column]).to_pylist()
    for row in rng.sample(rows, min(count, len(rows))):
        image = open_image(row["image"]["bytes"])
        if rng.random() < 0.4:
            image = image.resize((2 * image.width, 2 * image.height))
        yield str(row[column]), saved_again(image, rng)


def measured(photos: Path, pacs: Path, count: int) -> dict:
    rng, model = random.Random(0), vlm.load(MODEL, device="cpu")
    shown = [
        *of_the_world(count, rng),
        *others(photos, "source", count, rng),
        *others(pacs, "domain", count, rng),
    ]
    rng.shuffle(shown)
    groups = np.array([group for group, _ in shown])
    seen = np.concatenate(
        [features(model, [i for _, i in shown[at : at + 32]]) for at in range(0, len(shown), 32)]
    )
    half, right = len(shown) // 2, groups == "drawn"
    weights, bias = fitted(seen[:half], right[:half])
    wrong = (seen[half:] @ weights + bias > 0) != right[half:]
    rates = {
        str(group): asdict(share(wrong[groups[half:] == group].tolist()))
        for group in np.unique(groups[half:])
    }
    return {
        "command": COMMAND, "pictures": len(shown), "learned_from": half, "wrong": rates,
        "bias": round(float(bias), 4), "weights": [round(float(w), 4) for w in weights],
    }  # fmt: skip


def fitted(seen: np.ndarray, drawn_world: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and bias for features as they are, not scaled."""
    scaler = StandardScaler().fit(seen)
    found = LogisticRegression(C=0.1, max_iter=5000).fit(scaler.transform(seen), drawn_world)
    weights = found.coef_[0] / scaler.scale_
    return weights, float(found.intercept_[0] - weights @ scaler.mean_)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pacs", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=2000, help="of each kind, at most")
    args = parser.parse_args()
    result = measured(args.photos, args.pacs, args.pictures)
    FILE.write_text(json.dumps(result) + "\n")
    for group, rate in result["wrong"].items():
        print(f"{group}: {rate['rate']:.2%} of {rate['n']} on the wrong side")


if __name__ == "__main__":
    main()
