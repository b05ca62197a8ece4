"""Geometry: how far the features moved, where the concept's images lie now, and a map of both.

Covers the mean image token of every layer: linear CKA to the base and to the oracle, distances
between classes in units of their spread, two axes of the base model for all models.
Does not cover: whether anything can be read from the features (probes.py): features may move far
and keep a concept, or stay close and lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from math import inf, sqrt
from typing import NamedTuple

import numpy as np
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA

from audit.asking.answers import protocol
from audit.base import Case, Example, Finding, Measure, Series, measures
from audit.features.probing import (
    Features,
    Picture,
    all_features,
    pictures,
    siblings,
    vague_images,
    word,
)
from audit.keys import FindingKey
from hfru_core.types import Role, UserError

READ = "projector"  # what the decoder gets
ENOUGH = 3  # images of a class, or nothing can be said
Groups = list[np.ndarray]  # rows of images, one array for each class
SIMILAR: dict[tuple[str, Role], FindingKey] = {
    ("base", "forget"): FindingKey.CKA_BASE_FORGET,
    ("base", "retain"): FindingKey.CKA_BASE_RETAIN,
    ("oracle", "forget"): FindingKey.CKA_ORACLE_FORGET,
    ("oracle", "retain"): FindingKey.CKA_ORACLE_RETAIN,
}


class View(NamedTuple):
    """Eval images, those of abstractions too, and each model's features of them (N, D)."""

    case: Case
    shown: list[Picture]
    features: dict[str, Features]

    def of(self, what: str) -> np.ndarray:
        """Rows of the images of one concept, abstraction or role."""
        return np.array([i for i, p in enumerate(self.shown) if what in (p.concept, p.role)], int)

    def finding(
        self,
        key: FindingKey,
        name: str,
        found: dict[str, Measure],
        curves: tuple[Series, ...],
        note: str,
    ) -> Finding:
        """One measure per model; it explains and decides nothing."""
        layers = ", ".join(f"{i} {k}" for i, k in enumerate(self.features["base"]))
        return Finding(
            "geometry",
            key,
            name,
            "info",
            "higher",
            **measures(found),
            series=curves,
            note=f"{note} x of the curves, layers: {layers}.",
        )


def geometry(case: Case) -> Iterator[Finding]:
    """Similarity, distances and a map of the eval images; they explain and decide nothing."""
    view = look(case)
    for part, key in (
        (similarities, FindingKey.SIMILARITIES),
        (distances, FindingKey.DISTANCES),
        (abstractions, FindingKey.ABSTRACTIONS),
        (embedding_map, FindingKey.EMBEDDING_MAP),
    ):
        try:
            yield from part(view)
        except UserError as error:
            name = part.__name__.replace("_", " ")
            yield Finding("geometry", key, name, "info", "higher", error=str(error))


def look(case: Case) -> View:
    shown = [
        p for p in pictures(case.data) + vague_images(case.data, case.seed) if p.split == "eval"
    ]
    return View(case, shown, all_features(case, shown))


# Numbers.


def inner(x: np.ndarray) -> np.ndarray:
    """Inner products (N, N) of features (N, D)."""
    return x.astype(float) @ x.T.astype(float)


def cka(k: np.ndarray, m: np.ndarray) -> float:
    """Linear CKA of two sets of features from their inner products (N, N): 1 is alike.

    Kornblith et al. 2019: ||Y'X||^2 / (||X'X|| ||Y'Y||), centred columns, Frobenius norms.
    """
    centre = np.eye(len(k)) - 1 / len(k)
    k, m = centre @ k @ centre, centre @ m @ centre
    both = np.linalg.norm(k) * np.linalg.norm(m)
    return float((k * m).sum() / both) if both > 0 else float("nan")


def separation(one: np.ndarray, other: np.ndarray) -> float:
    """Distance of two classes' centroids (N, D), in units of the spread within a class.

    The noise of the centroids is subtracted, so that few images do not look farther apart.
    """
    gap = ((one.mean(0) - other.mean(0)) ** 2).sum()
    spread = [c.var(0, ddof=1).sum() for c in (one, other)]
    noise = spread[0] / len(one) + spread[1] / len(other)
    return sqrt(max(gap - noise, 0.0) / max(float(np.mean(spread)), 1e-12))


def jackknife(
    statistic: Callable[[Groups], float], groups: Groups, least: float = 0.0, most: float = inf
) -> Measure:
    """A number and its 95 % interval by leaving out one image at a time, class by class.

    Efron and Stein 1981. A bootstrap repeats images, which CKA and distances take for similarity.
    """
    if min(map(len, groups)) < ENOUGH:
        got = min(map(len, groups))
        raise UserError(f"At least {ENOUGH} images of each class are needed, got {got}.")
    value, variance = statistic(groups), 0.0
    for i, rows in enumerate(groups):
        left = [
            statistic([*groups[:i], np.delete(rows, j), *groups[i + 1 :]]) for j in range(len(rows))
        ]
        variance += (len(rows) - 1) * float(np.var(left))
    half, n = 1.96 * sqrt(variance), sum(map(len, groups))
    return Measure(value, n, max(value - half, least), min(value + half, most))


# Findings.


def by_layer(name: str, layers: Iterable[str], value: Callable[[str], float]) -> Series:
    y = tuple(map(value, layers))
    return Series(name, tuple(range(len(y))), y)


def similarities(view: View) -> Iterator[Finding]:
    """CKA of the other models to the base and to the oracle, on forget and on retain images."""
    roles: tuple[Role, ...] = ("forget", "retain")
    for role in roles:
        rows = view.of(role)
        grams = {m: {k: inner(x[rows]) for k, x in f.items()} for m, f in view.features.items()}
        for to in [m for m in ("base", "oracle") if m in grams]:
            name = f"similarity to the {to}, {role} images"
            yield similarity(view, grams, to, SIMILAR[to, role], name)


def similarity(
    view: View, grams: dict[str, Features], to: str, key: FindingKey, name: str
) -> Finding:
    """CKA of every other model to one of them."""
    others, numbers, curves = [m for m in grams if m != to], {}, []
    for m in others:
        pair = partial(alike, grams[m], grams[to])
        numbers[m] = jackknife(partial(pair, READ), [np.arange(len(grams[m][READ]))], most=1.0)
        curves.append(by_layer(m, grams[m], pair))
    note = "Linear CKA after the projector: 1 is the same up to rotation and scale; few images "
    return view.finding(key, name, numbers, tuple(curves), note + "raise it.")


def alike(one: Features, other: Features, layer: str, groups: Groups | None = None) -> float:
    """CKA of two models' inner products at a layer, on some rows."""
    if groups is None:
        return cka(one[layer], other[layer])
    part = np.ix_(groups[0], groups[0])
    return cka(one[layer][part], other[layer][part])


def distances(view: View) -> Iterator[Finding]:
    """How far each forgotten concept lies from each of its siblings."""
    data = view.case.data
    pairs = [
        (c.id, s) for c in data.concepts for s in siblings(c, data) if len(view.of(s)) >= ENOUGH
    ]
    yield apart(view, FindingKey.SIBLING_DISTANCE, "distance to siblings", pairs)


def abstractions(view: View) -> Iterator[Finding]:
    """How far each forgotten concept lies from images that show no more than its category."""
    key, name = FindingKey.ABSTRACTION_DISTANCE, "distance to the abstraction"
    pairs = [(c.id, word(c)) for c in view.case.data.concepts if len(view.of(word(c)))]
    if pairs:
        yield apart(view, key, name, pairs)
    else:
        note = "Not measured: this source has no images that show no more than a category."
        yield view.finding(key, name, {}, (), note)


def apart(view: View, key: FindingKey, name: str, pairs: list[tuple[str, str]]) -> Finding:
    """Mean separation over pairs of classes, for each model and layer."""
    if not pairs:
        raise UserError(f"{name}: no class has {ENOUGH} images to evaluate on: add some.")
    classes = list(dict.fromkeys(c for pair in pairs for c in pair))
    index = [(classes.index(a), classes.index(b)) for a, b in pairs]
    rows = [view.of(c) for c in classes]

    def mean(f: Features, layer: str, parts: Groups = rows) -> float:
        x = f[layer]
        return float(np.mean([separation(x[parts[a]], x[parts[b]]) for a, b in index]))

    numbers = {m: jackknife(partial(mean, f, READ), rows) for m, f in view.features.items()}
    curves = tuple(by_layer(m, f, partial(mean, f)) for m, f in view.features.items())
    return view.finding(
        key,
        name,
        numbers,
        curves,
        "Distance of the centroids after the projector in "
        "units of the spread within a class, the mean over the pairs.",
    )


def embedding_map(view: View) -> Iterator[Finding]:
    """Two axes of the base model's features, and every model's images on them.

    The i-th example is the image of the i-th point of each series "map MODEL", whose x and y are
    the coordinates; its question says role and concept ("forget: dog", "abstraction: animal").
    """
    if len(view.shown) < ENOUGH:
        raise UserError(f"A map needs {ENOUGH} images, got {len(view.shown)}: add some.")
    seen = {m: f[READ].astype(float) for m, f in view.features.items()}
    axes = {m: PCA(2, svd_solver="full").fit(seen[m]) for m in seen if m != "unlearned"}
    axes["unlearned"] = axes["base"]  # Its decoder is the base model's, and so its coordinates.
    points = {m: axes[m].transform(x) for m, x in seen.items()}
    total = {m: ((x - axes[m].mean_) ** 2).sum(1) for m, x in seen.items()}

    def shown(m: str, rows: Groups) -> float:
        return float((points[m][rows[0]] ** 2).sum() / max(total[m][rows[0]].sum(), 1e-12))

    every = [np.arange(len(view.shown))]
    numbers = {m: jackknife(partial(shown, m), every, most=1.0) for m in seen}
    kept = view.of("retain")
    if "oracle" in points and len(kept):
        points["oracle"] = laid_over(points["oracle"], points["base"], kept)
    curves = tuple(
        Series(f"map {m}", tuple(p[:, 0].tolist()), tuple(p[:, 1].tolist()), "points")
        for m, p in points.items()
    )
    found = view.finding(FindingKey.EMBEDDING_MAP, "embedding map", numbers, curves, "")
    note = (
        "Two principal axes of the base model's features after the projector; an oracle has "
        "axes of its own, rotated and scaled to align its retain images with the base model's. The "
        "number is the share of the variance that the axes show. Series are points: x and y of "
        "the image that the example with the same number shows."
    )
    yield replace(found, examples=labelled(view), note=note)


def laid_over(points: np.ndarray, base: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Points (N, 2) turned, mirrored, scaled and moved so that some rows lie next to the base's."""
    here, there = points[rows].mean(0), base[rows].mean(0)
    own, wanted = points[rows] - here, base[rows] - there
    turn, stretch = orthogonal_procrustes(own, wanted)
    return (points - here) @ turn * stretch / max((own**2).sum(), 1e-12) + there


def labelled(view: View) -> tuple[Example, ...]:
    """Every image with its role and concept, and what the models call it."""
    rows = [
        s for s in view.case.data.samples if s.split == "eval" and s.topic == "name" and s.image
    ]
    keys = [s.image for s in rows]
    said = {m: dict(zip(keys, texts)) for m, texts in protocol(view.case, rows).said.items()}
    return tuple(
        Example.of(p.key, f"{p.role}: {p.concept}", {m: t.get(p.key, "") for m, t in said.items()})
        for p in view.shown
    )
