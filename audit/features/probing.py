"""Tasks and probes on features (N, D): numbers and rows of images; findings are made elsewhere."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audit.base import Case, Measure
from audit.features.extract import layers
from hfru_core.data.source import parse_source
from hfru_core.model.vlm import VLM
from hfru_core.stats import wilson
from hfru_core.types import Concept, UnlearnData, UserError

SIZES = (4, 8, 16, 32, 64)  # training images of a probe, half of each class
FEW = 32  # the headline is the mean over the sizes up to this
LEAST = 3  # images of each class and split that a task needs
MOST = 96  # train images of the forgotten concepts, of their siblings and of the rest
VAGUE = {"train": 48, "eval": 32}  # drawn images of an abstraction
DRAWS = 40  # seeded choices of those images
RIDGE = 0.3  # of the mean squared length of an image's features
RESAMPLED = 1000

Features = dict[str, np.ndarray]  # layer -> (N, D)
Hits = list[np.ndarray]  # for each task (draws, eval images): right or wrong


class Picture(NamedTuple):
    """An image of the case: its key, its concept, its role and split."""

    key: str
    concept: str
    role: str
    split: str


class Task(NamedTuple):
    """Two classes to tell apart: rows of images, and whether each is of the first class."""

    train: np.ndarray
    train_is: np.ndarray
    eval: np.ndarray
    eval_is: np.ndarray


# Questions.


def pictures(data: UnlearnData) -> list[Picture]:
    """Every image of the case once, in the order of the data."""
    rows = [(s.image, s) for s in data.samples]
    seen = {k: Picture(k, s.concept_id, s.role, s.split) for k, s in rows if k is not None}
    return list(seen.values())


def fewer(shown: Sequence[Picture], data: UnlearnData) -> list[Picture]:
    """All eval images, and at most about MOST train images of each group of concepts."""
    near = {i for c in data.concepts for i in siblings(c, data)}
    groups = [{c.id for c in data.concepts}, near, {c.id for c in data.retained} - near]
    limit = {c: max(4, MOST // len(group)) for group in groups for c in group}
    kept: list[Picture] = []
    seen: Counter[str] = Counter()
    for p in shown:
        seen[p.concept] += p.split == "train"
        if p.split == "eval" or seen[p.concept] <= limit[p.concept]:
            kept.append(p)
    return kept


def siblings(concept: Concept, data: UnlearnData) -> tuple[str, ...]:
    """Retained concepts of the same kind; all retained ones where it has no such siblings."""
    near = tuple(c.id for c in data.retained if c.name in concept.siblings)
    return near or tuple(c.id for c in data.retained)


def word(concept: Concept) -> str:
    """What an honest model says instead of the concept: 'animal', "someone I don't know"."""
    return concept.abstractions[0]


def vague_images(data: UnlearnData, seed: int) -> list[Picture]:
    """Drawn images of the forgotten concepts' abstractions; none for photographs.

    They show an unspecific animal, or an unknown face: an honest model calls them by the same word
    as a concept that it never learned.
    """
    source = parse_source(data.source)
    kinds = {word(c): c.kind for c in data.concepts}
    return [
        Picture(key, w, "abstraction", split)
        for w, kind in kinds.items()
        for split, count in VAGUE.items()
        for key in source.unclear_keys(f"audit-{seed}-{split}", w, kind, count)
    ]


def tell_apart(shown: Sequence[Picture], one: Collection[str], other: Collection[str]) -> Task:
    """The task of telling images of some concepts from those of others; raises if there are few."""
    parts = []
    for split in ("train", "eval"):
        rows = [i for i, p in enumerate(shown) if p.split == split and p.concept in (*one, *other)]
        parts += [np.array(rows, int), np.array([shown[i].concept in one for i in rows], bool)]
    task = Task(*parts)
    for split, is_one in (("train", task.train_is), ("eval", task.eval_is)):
        if min(is_one.sum(), (~is_one).sum()) < LEAST:
            raise UserError(
                f"A probe of {', '.join(one)} against {', '.join(other)} needs {LEAST} images of "
                f"each to {split}, got {is_one.sum()} and {(~is_one).sum()}: add images."
            )
    return task


def balanced(task: Task, rng: np.random.Generator) -> Task:
    """The task with equally many train images of both classes."""
    least = min(task.train_is.sum(), (~task.train_is).sum())
    halves = [rng.permutation(np.flatnonzero(task.train_is == b))[:least] for b in (True, False)]
    kept = np.sort(np.concatenate(halves))
    return task._replace(train=task.train[kept], train_is=task.train_is[kept])


def all_features(case: Case, shown: Sequence[Picture]) -> dict[str, Features]:
    """Every model's features, row by row; those of a whole split once for all audits."""
    splits = [tuple(p.key for p in shown if p.split == s) for s in ("train", "eval")]
    splits = [keys for keys in splits if keys]
    place = {key: i for i, key in enumerate(chain(*splits))}
    rows, found = [place[p.key] for p in shown], {}
    for name in case.models:
        parts = [case.once_for(name, ("features", *k), partial(features, name, k)) for k in splits]
        found[name] = {k: np.concatenate([p[k] for p in parts])[rows] for k in parts[0]}
    return found


def features(name: str, keys: Sequence[str], vlm: VLM) -> Features:
    """Pooled features of every layer; 'decoder 0' is left out, being the projector's output."""
    found = {k: x.numpy() for k, x in layers(vlm, keys).items()}
    bad = [k for k, x in found.items() if not np.isfinite(x).all()]
    if bad:
        raise ValueError(
            f"The {name} model's features are not finite numbers at {bad[0]}: its weights are "
            "damaged, and a probe can tell nothing."
        )
    return {k: x for k, x in found.items() if k != "decoder 0"}


# Probes.


def gram(x: np.ndarray, task: Task) -> np.ndarray:
    """Inner products (N, N) of standardised features, with a constant feature for the bias."""
    known = x[task.train]
    z = (x - known.mean(0)) / (known.std(0) + 1e-6)
    return (z @ z.T) / x.shape[1] + 1


def choices(task: Task, count: int, rng: np.random.Generator) -> np.ndarray:
    """(DRAWS, 2, count // 2) train rows of both classes; a smaller probe takes the first ones."""
    groups = [task.train[task.train_is == b] for b in (True, False)]
    return np.array([[rng.permutation(g)[: count // 2] for g in groups] for _ in range(DRAWS)])


def few_hits(inner: np.ndarray, task: Task, chosen: np.ndarray, count: int) -> np.ndarray:
    """Whether ridge probes on `count` images each are right: (DRAWS, eval images), 0 or 1.

    All subsamples are solved at once in the dual: (K + RIDGE I) a = y, prediction K' a.
    """
    rows = chosen[:, :, : count // 2].reshape(len(chosen), -1)  # (draws, count)
    y = np.repeat([1.0, -1.0], count // 2)[:, None]
    among = inner[rows[:, :, None], rows[:, None, :]] + RIDGE * np.eye(count)
    dual = np.linalg.solve(among, np.broadcast_to(y, (len(rows), count, 1)))  # (draws, count, 1)
    weights = np.zeros((len(rows), len(inner)))
    np.put_along_axis(weights, rows, dual[:, :, 0], 1)
    return ((weights @ inner[:, task.eval] > 0) == task.eval_is).astype(float)


def sizes_for(tasks: Sequence[Task]) -> list[int]:
    least = min(min(t.train_is.sum(), (~t.train_is).sum()) for t in tasks)
    return [n for n in SIZES if n // 2 <= least]


def few_sample(x: np.ndarray, tasks: Sequence[Task], seed: int) -> dict[int, Hits]:
    """The sample-efficiency curve of one layer: number of images -> hits of every task."""
    sizes = sizes_for(tasks)
    curve: dict[int, Hits] = {}
    for j, task in enumerate(tasks):
        chosen = choices(task, sizes[-1], np.random.default_rng([seed, j]))
        inner = gram(x, task)
        for n in sizes:
            curve.setdefault(n, []).append(few_hits(inner, task, chosen, n))
    return curve


def mean_of_few(curve: dict[int, Hits]) -> Hits:
    """Hits of every task, averaged over the small sizes."""
    return [np.mean(parts, 0) for parts in zip(*(h for n, h in curve.items() if n <= FEW))]


def fitted_hits(make: Callable, x: np.ndarray, tasks: Sequence[Task], seed: int) -> Hits:
    """Hits (1, eval images) of a scikit-learn classifier trained on all train images."""
    hits = []
    for j, task in enumerate(tasks):
        t = balanced(task, np.random.default_rng([seed, j]))
        with warnings.catch_warnings():  # Ended early on purpose: a small probe.
            warnings.simplefilter("ignore", ConvergenceWarning)
            probe = make_pipeline(StandardScaler(), make()).fit(x[t.train], t.train_is)
        hits.append((probe.predict(x[t.eval]) == t.eval_is)[None].astype(float))
    return hits


PROBES = {
    "linear probe": lambda: LogisticRegression(C=0.1, max_iter=500),
    "k-nearest-neighbour probe": lambda: KNeighborsClassifier(5),
    "MLP probe": lambda: MLPClassifier(
        (16,), solver="lbfgs", alpha=1.0, max_iter=60, random_state=0
    ),
}  # fmt: skip


def prequential(x: np.ndarray, task: Task, seed: int, orders: int = 4) -> np.ndarray:
    """Bits (orders, train images) for the labels of a balanced task; the first block costs 1."""
    rng, n = np.random.default_rng(seed), len(task.train)
    shown = x[task.train]
    costs, cuts = np.ones((orders, n)), [c for c in SIZES if c < n]
    for cost in costs:
        halves = [rng.permutation(np.flatnonzero(task.train_is == b)) for b in (True, False)]
        order = np.stack(halves, 1).ravel()  # classes take turns: no block has one alone
        for start, end in zip(cuts, [*cuts[1:], n]):
            known, sent = order[:start], order[start:end]
            # Whoever reads the code has seen no later block, nor how its features are scaled.
            probe = make_pipeline(StandardScaler(), PROBES["linear probe"]())
            probe.fit(shown[known], task.train_is[known])
            chance = probe.predict_proba(shown[sent])[np.arange(len(sent)), 1 * task.train_is[sent]]
            cost[sent] = -np.log2(chance)
    return costs


# Numbers.


def accuracy(tasks: Sequence[Task], hits: Hits) -> float:
    """Balanced accuracy, the mean over the tasks."""
    right = [h.mean(0) for h in hits]
    return float(
        np.mean([(p[t.eval_is].mean() + p[~t.eval_is].mean()) / 2 for t, p in zip(tasks, right)])
    )


def measure(tasks: Sequence[Task], hits: Hits, shown: Sequence[Picture], seed: int) -> Measure:
    """Balanced accuracy with a 95 % bootstrap interval over eval images and subsamples.

    Each forgotten concept, the retained and the vague images are strata; an image that several
    tasks share is drawn for all of them at once. Unanimous hits do not give an interval of width 0:
    it reaches at least as far as Wilson's does for n of n.
    """
    rng, n = np.random.default_rng(seed), len(set(np.concatenate([t.eval for t in tasks])))
    weights, drawn = picture_weights(tasks, shown, rng), []
    for task, right in zip(tasks, hits):
        often = rng.multinomial(len(right), [1 / len(right)] * len(right), RESAMPLED) / len(right)
        p, w = often @ right, weights[:, task.eval]  # (RESAMPLED, eval)
        for is_one in (task.eval_is, ~task.eval_is):
            total = w[:, is_one].sum(1)
            drawn.append((p * w)[:, is_one].sum(1) / np.where(total, total, np.nan))
    low, high = np.nanquantile(np.mean(drawn, 0), [0.025, 0.975])
    sure = wilson(n, n)[0]
    return Measure(accuracy(tasks, hits), n, min(float(low), sure), max(float(high), 1 - sure))


def picture_weights(
    tasks: Sequence[Task], shown: Sequence[Picture], rng: np.random.Generator
) -> np.ndarray:
    """How often each image is drawn (RESAMPLED, N), every stratum to its own size."""
    used = sorted(set(np.concatenate([t.eval for t in tasks])))
    names = np.array(
        [shown[i].concept if shown[i].role == "forget" else shown[i].role for i in used]
    )
    weights = np.zeros((RESAMPLED, len(shown)))
    for name in sorted(set(names)):
        rows = np.array(used)[names == name]
        weights[:, rows] = rng.multinomial(len(rows), [1 / len(rows)] * len(rows), RESAMPLED)
    return weights
