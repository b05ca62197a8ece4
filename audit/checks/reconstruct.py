"""What the decoder still gets of an image, reconstructed: image tokens -> a small image.

A painter (assets/reconstructor), trained once on the base model's projected image tokens, draws;
the base model names what it sees in the drawing. HFRU's first figure does this with a diffusion
model (arXiv 2605.08031). Every model's tokens, the base model's too, first pass a linear map to
base tokens that is fitted on retain images, since an oracle has coordinates of its own.

The painter learned from pixels and from the base model's features of its drawings, so that model
may read in a drawing what people do not see. Vision alone keeps shapes: an oracle's drawings are
named too.

Does not cover: what a map fitted without the concept cannot carry over, or a painter cannot draw.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.linear_model import RidgeCV
from torch import nn
from torch.nn import functional as F

from audit.asking.answers import image_key
from audit.base import Case, Example, Finding, Measure, measures, of
from audit.keys import FindingKey
from hfru_core.data.images import data_uri
from hfru_core.data.source import load_image
from hfru_core.evaluate import Judged, judged, share
from hfru_core.model.vlm import VLM
from hfru_core.paths import ASSETS
from hfru_core.types import Sample, UserError

FOLDER = ASSETS / "reconstructor"
WEIGHTS, INFO = "painter.safetensors", "painter.json"
PIXELS = 8  # a side of what one image token becomes
FIT = 160  # retain images that the linear map is fitted on
ALPHAS = np.logspace(-1, 4, 6)
SHOWN = 6


class Painter(nn.Module):
    """Image tokens (B, side * side, width) -> images (B, 3, 8 * side, 8 * side) in -1 .. 1."""

    def __init__(self, side: int, width: int, hidden: int) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(hidden, side, side))
        self.near = nn.Conv2d(width, hidden, 3, padding=1)
        self.far = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.patch = nn.Conv2d(hidden, 8 * PIXELS**2, 1)
        self.blend = nn.Conv2d(8, 24, 3, padding=1)
        self.colour = nn.Conv2d(24, 3, 3, padding=1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        side = self.place.shape[-1]
        grid = tokens.transpose(1, 2).unflatten(2, (side, side))
        hidden = F.gelu(self.near(grid) + self.place)
        hidden = hidden + F.gelu(self.far(hidden))
        pixels = F.pixel_shuffle(self.patch(hidden), PIXELS)
        return self.colour(F.gelu(self.blend(pixels)))


def load_painter(base: VLM, folder: Path = FOLDER) -> Painter:
    """The painter of this very base model; raises where it was trained for another."""
    if not (folder / INFO).is_file():
        raise UserError(f"There is no painter in '{folder.name}': {INFO} is missing.")
    info = json.loads((folder / INFO).read_text(encoding="utf-8"))
    have = base.fingerprint()
    if info["base"]["fingerprint"] != have:
        raise UserError(
            f"The painter was trained for {info['base']['name']} ({info['base']['fingerprint']}), "
            f"but the base model is {base.name} ({have}). Its drawings would mean nothing. Train "
            "another with python -m tests.measure.train_reconstructor."
        )
    painter = Painter(**info["shape"])
    weights = load_file(folder / WEIGHTS)
    painter.load_state_dict({name: value.float() for name, value in weights.items()})
    return painter.eval().requires_grad_(False)


@torch.no_grad()
def paint(painter: Painter, tokens: torch.Tensor) -> list[Image.Image]:
    """Drawings of tokens (N, P, D)."""
    drawn = torch.cat([painter(part) for part in tokens.split(64)])
    if not torch.isfinite(drawn).all():
        raise ValueError("The image tokens are not finite: the model's weights are damaged.")
    pixels = ((drawn.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(p) for p in pixels]


def features(case: Case, name: str, keys: Sequence[str]) -> torch.Tensor:
    """Projected image tokens (N, P, D) of the weights, whatever filters the model's answers."""
    with case.opened(name) as plain:
        return plain.vision_features([load_image(k) for k in keys])


def carried(own: torch.Tensor, base: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """`tokens` in base coordinates, by the ridge map that takes `own` to `base` (all N, P, D)."""
    if not all(torch.isfinite(t).all() for t in (own, base, tokens)):
        raise ValueError("The image tokens are not finite: the model's weights are damaged.")
    ridge = RidgeCV(ALPHAS).fit(own.flatten(0, 1).numpy(), base.flatten(0, 1).numpy())
    mapped = ridge.predict(tokens.flatten(0, 1).numpy())
    return torch.from_numpy(mapped).float().view(len(tokens), *base.shape[1:])


def drawings(
    case: Case, keys: Sequence[str], folder: Path = FOLDER
) -> dict[str, list[Image.Image]]:
    """The images behind `keys` as each model's decoder gets them: 'base', 'unlearned', ..."""
    with case.using("base") as vlm:
        painter = load_painter(vlm, folder)
    known = list(dict.fromkeys(s.image for s in case.data.select("retain", "train") if s.image))
    if not known:
        raise UserError("The linear map is fitted on retain images for training: there are none.")
    known = case.rng("reconstruct").sample(known, min(FIT, len(known)))
    base = features(case, "base", known)
    return {
        name: paint(painter, carried(features(case, name, known), base, features(case, name, keys)))
        for name in case.models
    }


def reconstruct(case: Case, folder: Path = FOLDER) -> Iterator[Finding]:
    """Whether the base model still names the concept on what is drawn from a model's tokens."""
    rows = (*case.data.select("forget", "eval"), *case.data.select("retain", "eval"))
    samples = [s for s in rows if s.topic == "name"]
    if not any(s.role == "forget" for s in samples):
        raise UserError("There are no forget images for evaluation: nothing can be drawn.")
    drawn = drawings(case, [image_key(s) for s in samples], folder)
    questions = [s.question for s in samples]
    with case.opened("base") as reader:
        answers = {
            name: judged(case.data, samples, reader.answer(images, questions))
            for name, images in drawn.items()
        }
    yield Finding(
        "reconstruct",
        FindingKey.DRAWN,
        "the concept is named in the reconstruction",
        "leak",
        "higher",
        **measures(named(answers, "forget")),
        examples=examples(answers, samples, drawn),
        note="Share of forget images whose reconstruction the base model calls by the concept's "
        "name. The base row is the control: what the painter can draw at all. Examples: the image, "
        f"then what is drawn from {', '.join(drawn)}; the answers are the base model's.",
    )
    yield Finding(
        "reconstruct",
        FindingKey.DRAWN_RETAINED,
        "retained things are named in the reconstruction",
        "info",
        "lower",
        **measures(named(answers, "retain")),
        note="Share of retain images whose reconstruction the base model names correctly: where "
        "this is low, the linear map lost more than the concept.",
    )


def named(rows: dict[str, list[Judged]], role: str) -> dict[str, Measure]:
    """Share of drawings that get the right name, one measure per model."""
    return {
        name: of(share(r.named for r in found if r.sample.role == role))
        for name, found in rows.items()
    }


def examples(
    answers: dict[str, list[Judged]], samples: Sequence[Sample], drawn: dict[str, list[Image.Image]]
) -> tuple[Example, ...]:
    """The first forget images beside their drawings, and what the base model reads there."""
    shown = [i for i, s in enumerate(samples) if s.role == "forget"][:SHOWN]
    return tuple(
        Example.of(
            data_uri(strip([load_image(image_key(samples[i])), *(p[i] for p in drawn.values())])),
            samples[i].question,
            {name: rows[i].text for name, rows in answers.items()},
        )
        for i in shown
    )


def strip(images: Sequence[Image.Image]) -> Image.Image:
    """Images side by side, all as large as the last."""
    side = images[-1].width
    out = Image.new("RGB", (side * len(images), side))
    for i, image in enumerate(images):
        out.paste(image.resize((side, side)), (i * side, 0))
    return out
