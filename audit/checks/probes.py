"""Probes: can a small classifier read the forgotten concept from what the model makes of pictures?

Covers the mean image token of every layer of the tower, after the projector and at the decoder's
image positions. A probe with many pictures reads a concept from almost any vision model, so what
counts is how few it needs, beside an oracle: the share it gets right after 4 to 32 pictures.
Does not cover: what only single image tokens hold, what more pictures or larger probes could read,
whether the model uses what a probe reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from concept_erasure import LeaceFitter

from audit.base import NOTHING, Case, Finding, Measure, Series
from audit.features.extract import tower_layers
from audit.features.probing import (
    FEW,
    PROBES,
    Features,
    Hits,
    Picture,
    Task,
    accuracy,
    all_features,
    balanced,
    few_sample,
    fewer,
    fitted_hits,
    mean_of_few,
    measure,
    pictures,
    prequential,
    siblings,
    sizes_for,
    tell_apart,
    vague_pictures,
    word,
)
from hfru_core.data.source import load_image
from hfru_core.model.vlm import VLM
from hfru_core.stats import difference
from hfru_core.types import UserError

READ = "projector"  # what the decoder gets
MODELS = ("unlearned", "base", "oracle")


class Seen(NamedTuple):
    """What all findings share: the pictures and the features of every model."""

    case: Case
    shown: list[Picture]
    features: dict[str, Features]
    seed: int

    def finding(
        self, name: str, hits: dict[str, Hits], tasks: list[Task], kind: str = "info", **more
    ) -> Finding:
        """One number for each model that has hits."""
        found = {m: measure(tasks, h, self.shown, self.seed) for m, h in hits.items()}
        return Finding(
            "probes",
            name,
            kind,
            "higher",
            found.get("unlearned", NOTHING),
            found.get("base", NOTHING),
            found.get("oracle"),
            0.5,
            **more,
        )

    def at(self, layer: str, hits: Callable[[np.ndarray], Hits]) -> dict[str, Hits]:
        return {m: hits(f[layer]) for m, f in self.features.items()}

    def everywhere(self, hits: Callable[[np.ndarray], Hits]) -> dict[str, dict[str, Hits]]:
        return {m: {k: hits(x) for k, x in f.items()} for m, f in self.features.items()}


def probes(case: Case) -> Iterator[Finding]:
    """Whether small classifiers still read the forgotten concepts, against oracle and controls."""
    shown = fewer(pictures(case.data), case.data) + vague_pictures(case.data, case.seed)
    seen = Seen(case, shown, all_features(case, shown), case.rng("probes").getrandbits(32))
    for part in (by_one_word, against_siblings, against_rest, bits, controls):
        try:
            yield from part(seen)
        except UserError as error:
            name = part.__name__.replace("_", " ")
            yield Finding("probes", name, "info", "higher", error=str(error))


def sibling_tasks(seen: Seen) -> list[Task]:
    """One task for each forgotten concept."""
    data = seen.case.data
    return [tell_apart(seen.shown, (c.id,), siblings(c, data)) for c in data.concepts]


def one_word_tasks(seen: Seen) -> list[Task]:
    """Each forgotten concept against its abstraction, and against the others of its kind.

    An honest model calls both by the same word ("an animal", "someone I don't know"), and one that
    never learned the concepts has no reason to keep them apart.
    """
    shown, concepts = seen.shown, seen.case.data.concepts
    drawn, tasks = {p.concept for p in shown if p.role == "abstraction"}, []
    for c in concepts:
        same = [o.id for o in concepts if word(o) == word(c) and o is not c]
        others = [[word(c)]] * (word(c) in drawn) + [same] * bool(same)
        tasks += [tell_apart(shown, [c.id], other) for other in others]
    if not tasks:
        raise UserError(
            "Nothing here shares an abstraction with the forgotten concept: that needs a second "
            "forgotten concept of its kind, or drawn pictures of the abstraction."
        )
    return tasks


def by_one_word(seen: Seen) -> Iterator[Finding]:
    """Forgotten concepts against what shares their word, from few pictures: this decides.

    Siblings decide nothing: an oracle has names for them and none for the concept, and so may keep
    it apart from them without ever having learned it.
    """
    tasks = one_word_tasks(seen)
    yield from two_places(seen, tasks, "few pictures, against what shares its word", "leak")
    for name, make in PROBES.items():
        hits = seen.at(READ, lambda x: fitted_hits(make, x, tasks, seen.seed))  # noqa: B023
        yield seen.finding(
            f"{name}, all pictures, against what shares its word",
            hits,
            tasks,
            note="After the projector.",
        )


def against_siblings(seen: Seen) -> Iterator[Finding]:
    """Forgotten concepts against their siblings, from few pictures and from all."""
    tasks = sibling_tasks(seen)
    yield from two_places(seen, tasks, "few pictures, against siblings", "info")
    for name, make in PROBES.items():
        hits = seen.everywhere(lambda x: fitted_hits(make, x, tasks, seen.seed))  # noqa: B023
        yield seen.finding(
            f"{name}, all pictures, against siblings",
            {m: f[READ] for m, f in hits.items()},
            tasks,
            series=by_layer(tasks, hits),
            note="After the projector. " + axis(seen),
        )


def two_places(seen: Seen, tasks: list[Task], about: str, kind: str) -> Iterator[Finding]:
    """Few-sample accuracy at the projector, and at the layer where each model shows most."""
    found = seen.everywhere(lambda x: few_sample(x, tasks, seen.seed))
    few = {m: {k: mean_of_few(c) for k, c in f.items()} for m, f in found.items()}
    sizes = ", ".join(str(n) for n in sizes_for(tasks) if n <= FEW)
    yield checked(
        seen.finding(
            f"{about}: what the decoder reads",
            {m: f[READ] for m, f in few.items()},
            tasks,
            kind,
            series=tuple(by_size(m, tasks, f[READ]) for m, f in found.items()),
            note=f"Balanced accuracy of ridge probes after the projector, the mean over {sizes} "
            "pictures to learn from. x of the curves: pictures.",
        )
    )
    top = {m: max(f, key=lambda k: accuracy(tasks, f[k])) for m, f in few.items()}
    yield checked(
        seen.finding(
            f"{about}: best layer",
            {m: f[top[m]] for m, f in few.items()},
            tasks,
            kind,
            series=by_layer(tasks, few),
            note="The same at the layer where it is highest: "
            + ", ".join(f"{m} {k}" for m, k in top.items())
            + ". The interval leaves out the choice of the layer. "
            + axis(seen),
        )
    )


def checked(f: Finding) -> Finding:
    """The positive control: a probe that fails on the base model shows nothing by failing."""
    if f.kind != "leak" or f.base.low > f.chance:
        return f
    return replace(
        f,
        unlearned=NOTHING,
        error="The probe does not read the concept from the base "
        "model either, so it can tell nothing: more pictures are needed.",
    )


def axis(seen: Seen) -> str:
    named = ", ".join(f"{i} {k}" for i, k in enumerate(seen.features["base"]))
    return f"x of the curves, layers: {named}."


def by_layer(tasks: list[Task], hits: dict[str, dict[str, Hits]]) -> tuple[Series, ...]:
    return tuple(
        Series(m, tuple(range(len(f))), tuple(accuracy(tasks, h) for h in f.values()))
        for m, f in hits.items()
    )


def by_size(name: str, tasks: list[Task], curve: dict[int, Hits]) -> Series:
    return Series(name, tuple(curve), tuple(accuracy(tasks, h) for h in curve.values()))


def against_rest(seen: Seen) -> Iterator[Finding]:
    """Forgotten concepts against everything retained, and how selective that probe is."""
    data = seen.case.data
    tasks = [tell_apart(seen.shown, *([c.id for c in g] for g in (data.concepts, data.retained)))]
    found = []
    for name, make in PROBES.items():
        hits = seen.at(READ, lambda x: fitted_hits(make, x, tasks, seen.seed))  # noqa: B023
        found.append(
            seen.finding(
                f"{name}, all pictures, against the rest", hits, tasks, note="After the projector."
            )
        )
    groups = random_groups(seen)
    hits = seen.at(READ, lambda x: fitted_hits(PROBES["linear probe"], x, groups, seen.seed))
    control = seen.finding(
        "control task: random groups of retained concepts",
        hits,
        groups,
        note="The same linear probe on groups that mean nothing.",
    )
    yield from (*found, control, selectivity(found[0], control))


def selectivity(task: Finding, control: Finding) -> Finding:
    """Accuracy on the task less that on the control task (Hewitt and Liang 2019)."""

    def less(a: Measure | None, b: Measure | None) -> Measure | None:
        if a is None or a.value is None:
            return a
        low, high = difference(a.value, a.low, a.high, b.value, b.low, b.high)
        return Measure(a.value - b.value, a.n + b.n, low, high)

    three = {m: less(getattr(task, m), getattr(control, m)) for m in MODELS}
    return replace(
        task,
        name="selectivity, against the rest",
        chance=0.0,
        **three,
        note="Accuracy against the rest less that on random groups.",
    )


def random_groups(seen: Seen, count: int = 5) -> list[Task]:
    """Tasks of telling a random half of the retained concepts from the other half."""
    rng = np.random.default_rng(seen.seed)
    splits = [{p.concept for p in seen.shown if p.split == s} for s in ("train", "eval")]
    ids = [c.id for c in seen.case.data.retained if c.id in splits[0] & splits[1]]
    mixed = [list(rng.permutation(ids)) for _ in range(count)]
    return [tell_apart(seen.shown, m[: len(m) // 2], m[len(m) // 2 :]) for m in mixed]


def bits(seen: Seen) -> Iterator[Finding]:
    """Online description length: what a label costs a probe that has learned from those before."""
    tasks = [
        balanced(t, np.random.default_rng([seen.seed, j])) for j, t in enumerate(main_tasks(seen))
    ]
    coded = [t._replace(eval=t.train, eval_is=t.train_is) for t in tasks]
    costs = seen.at(READ, lambda x: [prequential(x, t, seen.seed) for t in tasks])
    found = seen.finding(
        "description length of the labels",
        costs,
        coded,
        note="Bits for each label, sent in growing blocks (Voita and Titov 2020); 1 where nothing "
        "can be learned. After the projector, from the attacker's pictures.",
    )
    yield replace(found, direction="lower", chance=1.0)


def main_tasks(seen: Seen) -> list[Task]:
    """The tasks that decide, and where there are none those against siblings."""
    try:
        return one_word_tasks(seen)
    except UserError:
        return sibling_tasks(seen)


def controls(seen: Seen) -> Iterator[Finding]:
    """The few-sample probe where it must fail, and on what vision alone gives."""
    tasks, rng = main_tasks(seen), np.random.default_rng(seen.seed)

    def few(x: np.ndarray, tasks: list[Task] = tasks) -> Hits:
        return mean_of_few(few_sample(x, tasks, seen.seed))

    permuted = [t._replace(train_is=rng.permutation(t.train_is)) for t in tasks]
    yield seen.finding(
        "control: permuted labels",
        seen.at(READ, lambda x: few(x, permuted)),
        tasks,
        note="A probe that still succeeds is broken.",
    )
    yield seen.finding(
        "control: concept erased by LEACE",
        seen.at(READ, lambda x: [few(erased(x, t), [t])[0] for t in tasks]),
        tasks,
        note="The lower bound: nothing linear is left (Belrose et al. 2023, arXiv 2306.03819).",
    )
    keys = [p.key for p in seen.shown]
    plain = {k: few(x) for k, x in untrained_tower(seen.case.base, keys, seen.seed).items()}
    top = max(plain, key=lambda k: accuracy(tasks, plain[k]))
    one = "What vision alone gives; one number for all, since no trained model is in it."
    yield seen.finding(
        "control: untrained tower",
        {"unlearned": plain[top]},
        tasks,
        note=f"{one} Best layer: {top}.",
    )
    yield seen.finding("control: raw pixels", {"unlearned": few(pixels(keys))}, tasks, note=one)


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
    """Small pictures as rows of numbers (N, side * side * 3)."""
    return np.stack([np.asarray(load_image(k).resize((side, side)), float).ravel() for k in keys])
