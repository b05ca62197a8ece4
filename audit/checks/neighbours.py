"""A map of nearest neighbours: UMAP of the base model's features, all models' images on it.

Covers what two principal axes (geometry.py) cannot show: groups in many dimensions.
Does not cover: distances. How far apart two groups lie on such a map means nothing.
Needs the optional package umap-learn (arXiv 1802.03426), without which nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
from sklearn.manifold import trustworthiness

from audit.base import Case, Finding, Measure, Series, measures
from audit.checks.geometry import READ, View, jackknife, labelled, laid_over, look
from audit.keys import FindingKey
from hfru_core.types import UserError

NEIGHBOURS = 15
LEAST = 2 * NEIGHBOURS + 4  # images that `trustworthiness` needs, one left out


def neighbours(case: Case) -> Iterator[Finding]:
    """The map, where umap-learn is installed."""
    if find_spec("umap"):
        yield neighbour_map(look(case))


def neighbour_map(view: View) -> Finding:
    """Points as in `geometry.embedding_map`; the number is the map's trustworthiness, 1 is best.

    Raises where there are too few images.
    """
    if len(view.shown) < LEAST:
        raise UserError(f"This map needs {LEAST} images, got {len(view.shown)}: add some.")
    features = {m: f[READ].astype(float) for m, f in view.features.items()}
    points = placed(features, view.case.seed)
    kept = view.of("retain")
    if "oracle" in points and len(kept):
        points["oracle"] = laid_over(points["oracle"], points["base"], kept)
    numbers = {m: trust(x, points[m]) for m, x in features.items()}
    curves = tuple(
        Series(f"map {m}", tuple(p[:, 0].tolist()), tuple(p[:, 1].tolist()), "points")
        for m, p in points.items()
    )
    note = (
        "UMAP of the base model's features after the projector (15 neighbours); the unlearned "
        "model's images are placed among them, an oracle has a map of its own, aligned with the "
        "retain images. Neighbours mean something here, distances do not. The number is the "
        "trustworthiness: how far neighbours on the map are true neighbours."
    )
    return Finding(
        "neighbours",
        FindingKey.NEIGHBOUR_MAP,
        "neighbour map",
        "info",
        "higher",
        **measures(numbers),
        series=curves,
        examples=labelled(view),
        note=note,
    )


def trust(x: np.ndarray, points: np.ndarray) -> Measure:
    """How far a map (N, 2) of features (N, D) keeps their neighbours."""
    every = [np.arange(len(x))]
    return jackknife(
        lambda g: float(trustworthiness(x[g[0]], points[g[0]], n_neighbors=NEIGHBOURS)),
        every,
        most=1.0,
    )


def placed(features: dict[str, np.ndarray], seed: int) -> dict[str, np.ndarray]:
    """Points (N, 2) of every model; the unlearned one has the base's decoder, and so its map."""
    from umap import UMAP  # Optional, and 20 s to import.

    def fitted(x: np.ndarray) -> UMAP:
        return UMAP(n_neighbors=NEIGHBOURS, random_state=seed, n_jobs=1).fit(x)

    maps = {m: fitted(x) for m, x in features.items() if m != "unlearned"}
    maps["unlearned"] = maps["base"]
    return {m: np.asarray(maps[m].transform(x), float) for m, x in features.items()}
