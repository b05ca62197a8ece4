"""A map of who lies next to whom: UMAP of the base model's features, all models' pictures on it.

Covers what two principal axes (geometry.py) cannot show: groups in many dimensions.
Does not cover: distances. How far apart two groups lie on such a map means nothing.
Needs the optional package umap-learn (arXiv 1802.03426), without which nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from sklearn.manifold import trustworthiness

from audit.base import Case, Finding, Measure, Series
from audit.checks.geometry import READ, View, jackknife, labelled, laid_over, look
from hfru_core.types import UserError

NEIGHBOURS = 15
LEAST = 2 * NEIGHBOURS + 4  # pictures that `trustworthiness` needs, one left out


def neighbours(case: Case) -> Iterator[Finding]:
    """The map, where umap-learn is installed."""
    if find_spec("umap"):
        yield neighbour_map(look(case))


def neighbour_map(view: View) -> Finding:
    """Points as in `geometry.embedding_map`; the number is the map's trustworthiness, 1 is best.

    Raises where there are too few pictures.
    """
    if len(view.shown) < LEAST:
        raise UserError(f"This map needs {LEAST} pictures, got {len(view.shown)}: add some.")
    features = {m: f[READ].astype(float) for m, f in view.features.items()}
    points = placed(features, view.case.seed)
    kept = view.of("retain")
    if "oracle" in points and len(kept):
        points["oracle"] = laid_over(points["oracle"], points["base"], kept)
    numbers = {m: trust(x, points[m]) for m, x in features.items()}
    curves = tuple(
        Series(f"map {m}", tuple(p[:, 0].tolist()), tuple(p[:, 1].tolist()))
        for m, p in points.items()
    )
    note = (
        "UMAP of the base model's features after the projector (15 neighbours); the unlearned "
        "model's pictures are put among them, an oracle has a map of its own, laid over the "
        "retained pictures. Neighbours mean something here, distances do not. The number is "
        "the trustworthiness: are neighbours on the map neighbours indeed."
    )
    found = Finding(
        "neighbours",
        "neighbour map",
        "info",
        "higher",
        numbers["unlearned"],
        numbers["base"],
        numbers.get("oracle"),
        series=curves,
        note=note,
    )
    return replace(found, examples=labelled(view))


def trust(x: np.ndarray, points: np.ndarray) -> Measure:
    """How faithful a map (N, 2) of features (N, D) is to who is next to whom."""
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
