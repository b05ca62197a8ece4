"""Controls of the probes: where a probe must fail, and what it reads without any training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from concept_erasure import LeaceFitter

from audit.base import Finding
from audit.checks.probe_tasks import READ, Seen, main_tasks
from audit.features.extract import tower_layers
from audit.features.probing import (
    Features,
    Hits,
    Task,
    accuracy,
    few_sample,
    mean_of_few,
    tell_apart,
)
from audit.keys import FindingKey
from hfru_core.data.source import load_image
from hfru_core.model.vlm import VLM


def controls(seen: Seen) -> Iterator[Finding]:
    """The few-shot probe where it must fail, and on features that no training made."""
    tasks, rng = main_tasks(seen), np.random.default_rng(seen.seed)

    def few(x: np.ndarray, tasks: list[Task] = tasks) -> Hits:
        return mean_of_few(few_sample(x, tasks, seen.seed))

    permuted = [t._replace(train_is=rng.permutation(t.train_is)) for t in tasks]
    yield seen.finding(
        FindingKey.PERMUTED_LABELS,
        "control: permuted labels",
        seen.at(READ, lambda x: few(x, permuted)),
        tasks,
        note="A probe that still succeeds is broken.",
    )
    yield seen.finding(
        FindingKey.LEACE,
        "control: concept erased by LEACE",
        seen.at(READ, lambda x: [few(erased(x, t), [t])[0] for t in tasks]),
        tasks,
        note="The lower bound: nothing linear is left (Belrose et al. 2023, arXiv 2306.03819).",
    )
    keys = [p.key for p in seen.shown]
    with seen.case.using("base") as base:
        plain = {k: few(x) for k, x in untrained_tower(base, keys, seen.seed).items()}
    top = max(plain, key=lambda k: accuracy(tasks, plain[k]))
    one = "What vision alone gives; one number, since no trained model is involved."
    yield seen.finding(
        FindingKey.UNTRAINED_TOWER,
        "control: untrained tower",
        {"unlearned": plain[top]},
        tasks,
        note=f"{one} Best layer: {top}.",
    )
    raw = {"unlearned": few(pixels(keys))}
    yield seen.finding(FindingKey.RAW_PIXELS, "control: raw pixels", raw, tasks, note=one)


def random_groups(seen: Seen, count: int = 5) -> list[Task]:
    """Tasks of telling a random half of the retained concepts from the other half."""
    rng = np.random.default_rng(seen.seed)
    splits = [{p.concept for p in seen.shown if p.split == s} for s in ("train", "eval")]
    ids = [c.id for c in seen.case.data.retained if c.id in splits[0] & splits[1]]
    mixed = [list(rng.permutation(ids)) for _ in range(count)]
    return [tell_apart(seen.shown, m[: len(m) // 2], m[len(m) // 2 :]) for m in mixed]


def erased(x: np.ndarray, task: Task) -> np.ndarray:
    """Features (N, D) from which no linear probe can tell the task's train classes apart."""
    known = torch.from_numpy(x).double()
    labels = torch.from_numpy(task.train_is).long()
    return LeaceFitter.fit(known[task.train], labels).eraser(known).numpy()


def untrained_tower(vlm: VLM, keys: Sequence[str], seed: int) -> Features:
    """Pooled features (N, D) of every layer of a tower of the same config with random weights."""
    own = vlm.tower
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tower = type(own)(own.config)
    tower.to(vlm.device, next(own.parameters()).dtype).eval()
    try:
        vlm.core.set_submodule(vlm.family.tower, tower)
        return {k: x.numpy() for k, x in tower_layers(vlm, keys).items()}
    finally:
        vlm.core.set_submodule(vlm.family.tower, own)


def pixels(keys: Sequence[str], side: int = 16) -> np.ndarray:
    """Small images as rows of numbers (N, side * side * 3)."""
    return np.stack([np.asarray(load_image(k).resize((side, side)), float).ravel() for k in keys])
