"""How far a picture may be from the photographs that `photo` learned from, and what that is worth.

python -m tests.measure.far_or_not --photos FILE.parquet --pacs FILE.parquet

A Gaussian of what the tower's first blocks see, learned from pictures to learn from; the limit lets
one of a hundred of half of the held-out pictures pass it, and is judged on the other half.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from sklearn.datasets import load_digits

from hfru_core.data.images import open_image
from hfru_core.evaluate import share
from hfru_core.model import vlm
from hfru_core.paths import PHOTO
from hfru_core.pretrain.photo import pictures
from hfru_core.pretrain.photo.pictures import Shot
from hfru_core.studio.sessions.far_or_not import FILE, Measure, digest, features

COMMAND = "python -m tests.measure.far_or_not --photos FILE.parquet --pacs FILE.parquet"
DIRECTIONS = 48
ALLOWED = 0.01  # of held-out pictures may be called far
EACH = 40  # pictures of every kind that is far
TEXT = "the model was asked what it sees in a picture that nobody had shown to it before".split()
Rng = np.random.Generator


def noise(rng: Rng) -> Image.Image:
    coarse = int(rng.choice([1, 2, 4, 8, 16]))
    fields = rng.integers(0, 256, (256 // coarse, 256 // coarse, 3), dtype=np.uint8)
    return Image.fromarray(fields).resize((256, 256), Image.Resampling.NEAREST)


def plain(rng: Rng) -> Image.Image:
    return Image.new("RGB", (200, 200), colour(rng))


def gradient(rng: Rng) -> Image.Image:
    first, last = rng.integers(0, 256, (2, 3))
    share = np.linspace(0, 1, 200)[:, None, None]
    return Image.fromarray(((first * (1 - share) + last * share).repeat(200, 1)).astype(np.uint8))


def text(rng: Rng) -> Image.Image:
    """Lines of words, dark on light or light on dark, as on a screen."""
    wide, high, size = (int(rng.integers(*r)) for r in ((400, 1300), (300, 1000), (12, 30)))
    dark = rng.random() < 0.3
    image = Image.new("RGB", (wide, high), (30, 30, 36) if dark else "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    for y in range(20, high - size, size * 3 // 2):
        words = rng.choice(TEXT, int(wide / size / 2.6 * rng.uniform(0.3, 1)) + 1)
        draw.text((20, y), " ".join(words), fill="white" if dark else "black", font=font)
    return image


def bones(rng: Rng) -> Image.Image:
    """Grey shapes as on an X-ray of a chest: no real one is at hand."""
    image = Image.new("L", (256, 256), int(rng.integers(0, 40)))
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 20, 226, 250), fill=int(rng.integers(90, 150)))
    for middle in (78, 178):
        draw.ellipse((middle - 38, 60, middle + 38, 210), fill=int(rng.integers(25, 60)))
    for y in range(60, 210, 17):
        draw.arc((28, y - 20, 228, y + 40), 200, 340, fill=int(rng.integers(140, 200)), width=4)
    draw.rectangle((120, 20, 136, 250), fill=200)
    return image.filter(ImageFilter.GaussianBlur(3)).convert("RGB")


def chart(rng: Rng) -> Image.Image:
    image, count = Image.new("RGB", (640, 420), "white"), int(rng.integers(4, 12))
    draw = ImageDraw.Draw(image)
    draw.line((50, 20, 50, 380, 620, 380), fill="black", width=2)
    for left in range(60, 600, 540 // count):
        top = 380 - int(rng.integers(20, 340))
        draw.rectangle((left, top, left + 360 // count, 380), fill=colour(rng))
    return image


def squares(rng: Rng) -> Image.Image:
    """A field of black and white squares, as of a QR code."""
    fields = rng.integers(0, 2, (int(rng.choice([21, 25, 33])),) * 2).astype(np.uint8) * 255
    code = Image.fromarray(fields).resize((250, 250), Image.Resampling.NEAREST)
    return framed(code.convert("RGB"), 40)


def stripes(rng: Rng) -> Image.Image:
    waves = np.sin(np.arange(240) * rng.uniform(0.05, 1) + rng.uniform(0, 6)) > 0
    return Image.fromarray(np.tile(waves.astype(np.uint8) * 255, (240, 1))).convert("RGB")


def digit(rng: Rng) -> Image.Image:
    """A digit that somebody wrote, of scikit-learn's."""
    shades = load_digits().images[int(rng.integers(0, 1797))] * 15.9
    return Image.fromarray(shades.astype(np.uint8)).resize((160, 160)).convert("RGB")


def colour(rng: Rng) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def framed(image: Image.Image, edge: int) -> Image.Image:
    made = Image.new("RGB", (image.width + 2 * edge, image.height + 2 * edge), "white")
    made.paste(image, (edge, edge))
    return made


KINDS: dict[str, Callable[[Rng], Image.Image]] = {
    "noise": noise, "plain colours": plain, "gradients": gradient, "screens of text": text,
    "drawn like an X-ray": bones, "charts": chart, "squares": squares, "stripes": stripes,
    "written digits": digit,
}  # fmt: skip


def measured(photos: Path, pacs: Path, count: int) -> dict:
    rng, model = random.Random(0), vlm.load(PHOTO, device="cpu")
    learned, held = pictures.split(pictures.read([photos, pacs]))
    rng.shuffle(held)
    some, half = rng.sample(learned, min(count, len(learned))), len(held) // 2
    measure = fitted(of_shots(model, some), of_shots(model, held[:half]))
    alarms = measure.distances(of_shots(model, held[half:])) > measure.limit
    wild = {
        name: [make(np.random.default_rng(i)) for i in range(EACH)] for name, make in KINDS.items()
    }
    found = {
        n: measure.distances(features(model, shown)) > measure.limit for n, shown in wild.items()
    }
    return {
        "command": COMMAND, "of": digest(model), "learned_from": len(some), "limit_from": half,
        "false_alarms": asdict(share(alarms.tolist())),
        "false_alarms_by_source": by_source(held[half:], alarms),
        "found": {name: asdict(share(far.tolist())) for name, far in found.items()},
        "rest": measure.rest, "limit": measure.limit,
        "mean": rounded(measure.mean), "main": [rounded(row) for row in measure.main],
    }  # fmt: skip


def of_shots(model: vlm.VLM, shots: list[Shot]) -> np.ndarray:
    parts = (shots[at : at + 64] for at in range(0, len(shots), 64))
    return np.concatenate([features(model, [open_image(s.data) for s in part]) for part in parts])


def fitted(usual: np.ndarray, held: np.ndarray) -> Measure:
    """A Gaussian whose smaller variances are one: |x - mean|^2 in its own deviations."""
    mean = usual.mean(0)
    values, vectors = np.linalg.eigh(np.cov(usual.T))
    values, vectors = values[::-1], vectors[:, ::-1]
    rest = float(values[DIRECTIONS:].mean())
    main = vectors[:, :DIRECTIONS] * np.sqrt(1 / rest - 1 / values[:DIRECTIONS])
    made = Measure(np.array(rounded(mean)), np.array([rounded(row) for row in main]), rest, 0.0)
    limit = float(np.quantile(made.distances(held), 1 - ALLOWED))
    return made._replace(limit=round(limit, 3))


def rounded(values: np.ndarray) -> list[float]:
    return [float(f"{v:.5g}") for v in values]


def by_source(shots: list[Shot], alarms: np.ndarray) -> dict[str, dict]:
    def of(source: str) -> Iterator[bool]:
        return (bool(a) for s, a in zip(shots, alarms) if s.source == source)

    return {name: asdict(share([*of(name)])) for name in sorted({s.source for s in shots})}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--pacs", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=2000, help="to learn from, at most")
    args = parser.parse_args()
    result = measured(args.photos, args.pacs, args.pictures)
    FILE.write_text(json.dumps(result) + "\n")
    alarms = result["false_alarms"]
    print(f"false alarms: {alarms['rate']:.2%} of {alarms['n']}")
    for name, rate in result["found"].items():
        print(f"{name}: {rate['rate']:.0%} of {rate['n']} found")


if __name__ == "__main__":
    main()
