"""Activation patching: at which depth of the tower the name is lost, and where it comes back.

Whole towers are cut and joined: naming by layer, and no score of its own (UDS, arXiv 2605.24614,
is another number and is not computed). Does not cover: an oracle, whose hidden states mean
something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from audit.base import NOTHING, Case, Finding, Measure, Series
from audit.keys import FindingKey
from hfru_core.evaluate import answers, judged
from hfru_core.model.kept_tensors import KeptTensors, lent
from hfru_core.model.vlm import VLM
from hfru_core.stats import bootstrap
from hfru_core.types import Sample, UserError

LAYERS = ("encoder.layers", "encoder.blocks")  # of transformers, of EfficientNet


def joined(early: KeptTensors, late: VLM) -> Iterator[VLM]:
    """`late` with the tower's layers below l taken from another tower, for l = 0 ... depth.

    Continuing from another model's hidden states at layer l is the same as having its layers up
    to there; l = 0 is its patch embedding alone. One model, changed in place from level to level,
    and as it was in the end.
    """
    state = late.tower.state_dict()
    if state.keys() != {*early} or any(early.get(n).shape != v.shape for n, v in state.items()):
        raise UserError("The towers differ in architecture: their layers cannot be joined.")
    with lent(state):
        take(late, part(late, "embeddings"), early)
        yield late
        for layer in part(late, LAYERS).children():
            take(late, layer, early)
            yield late


@torch.no_grad()
def take(vlm: VLM, module: torch.nn.Module, other: KeptTensors) -> None:
    """Copy the weights that another tower has in the place of this module."""
    path = next(name for name, m in vlm.tower.named_modules() if m is module)
    for name, value in module.state_dict().items():
        value.copy_(other.get(f"{path}.{name}"))


def part(vlm: VLM, end: str | tuple[str, ...]) -> torch.nn.Module:
    """The tower's first module whose path ends so, or in one of these ways."""
    return next(m for name, m in vlm.tower.named_modules() if name.endswith(end))


def naming(case: Case, early: str, late: str, samples: Sequence[Sample]) -> np.ndarray:
    """Whether one model behind layers of another names the concept, (levels, images), 0 or 1."""
    with case.opened(early) as vlm:
        tower = KeptTensors.of(vlm.tower.state_dict())
    with case.opened(late) as vlm:
        said = [answers(model, samples) for model in joined(tower, vlm)]
    return np.array(
        [[r.named for r in judged(case.data, samples, texts)] for texts in said], dtype=float
    )


def patching(case: Case) -> Iterator[Finding]:
    """Naming behind layers of both models, and the depth at which the name comes back."""
    samples = [s for s in case.data.select("forget", "eval") if s.topic == "name"]
    if not samples:
        raise UserError("Patching asks for the name on forget images, and there are none.")
    kept = naming(case, "unlearned", "base", samples)
    back = naming(case, "base", "unlearned", samples)
    rng = np.random.default_rng(case.rng("patching").getrandbits(64))
    levels = tuple(map(float, range(len(kept))))
    curves = (
        Series("unlearned states, then base layers", levels, tuple(kept.mean(1))),
        Series("base states, then unlearned layers", levels, tuple(back.mean(1))),
    )
    yield Finding(
        "lens",
        FindingKey.PATCHED,
        "base layers name the concept from unlearned states",
        "info",
        "higher",
        unlearned=mean(kept[1:].mean(0), rng),
        base=mean(kept[0], rng),
        series=curves,
        note="Mean over the tower's layers l: states of the unlearned model up to l, the base "
        "model from there. 1 is unchanged. No oracle: its states mean something else. l = 0 in "
        "the curve is the base model unless the patch embedding was changed.",
    )
    known = back[:, back[-1] > 0]  # images that the decoder names behind base's whole tower
    yield Finding(
        "lens",
        FindingKey.PATCH_DEPTH,
        "depth at which the name comes back",
        "info",
        "lower",
        unlearned=mean(known.argmax(0) / (len(back) - 1), rng),
        base=Measure(0.0, known.shape[1], 0.0, 0.0),
        series=curves,
        unscored=back.shape[1] - known.shape[1],
        note="Base states up to layer l, the unlearned model from there: the smallest l that "
        "names the concept, as a share of the tower. Near 0: only the first layers changed.",
    )


def mean(values: np.ndarray, rng: np.random.Generator) -> Measure:
    """A mean over images with its bootstrap interval."""
    if not len(values):
        return NOTHING
    return Measure(float(values.mean()), len(values), *bootstrap(values, rng))
