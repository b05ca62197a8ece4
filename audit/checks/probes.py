"""Probes: can a small classifier read the forgotten concept from the model's image features?

Covers the mean image token of every layer of the tower, after the projector and at the decoder's
image positions, and the highest value of each feature among the projected tokens. A probe with many
images reads a concept from almost any vision model, so what counts is how few it needs, compared
with an oracle: its accuracy after 4 to 32 images.
Does not cover: what only single tokens of inner layers hold, what more images or larger probes
could read,
whether the model uses what a probe reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from audit.base import NOTHING, Case, Finding, Kind, Measure, Series, measures
from audit.checks.probe_controls import controls, random_groups
from audit.checks.probe_tasks import READ, Seen, main_tasks, one_word_tasks, sibling_tasks
from audit.features.probing import (
    FEW,
    PROBES,
    Hits,
    Task,
    accuracy,
    all_features,
    balanced,
    few_sample,
    fewer,
    fitted_hits,
    mean_of_few,
    pictures,
    prequential,
    sizes_for,
    tell_apart,
    vague_images,
)
from audit.keys import FindingKey
from hfru_core.stats import difference
from hfru_core.types import UserError

# The keys of what is measured against what shares the word, against siblings, and the rest.
BY_WORD = {
    "linear probe": FindingKey.WORD_LINEAR,
    "k-nearest-neighbour probe": FindingKey.WORD_NEAREST,
    "MLP probe": FindingKey.WORD_MLP,
}
BY_SIBLINGS = {
    "linear probe": FindingKey.SIBLINGS_LINEAR,
    "k-nearest-neighbour probe": FindingKey.SIBLINGS_NEAREST,
    "MLP probe": FindingKey.SIBLINGS_MLP,
}
BY_REST = {
    "linear probe": FindingKey.REST_LINEAR,
    "k-nearest-neighbour probe": FindingKey.REST_NEAREST,
    "MLP probe": FindingKey.REST_MLP,
}


def probes(case: Case) -> Iterator[Finding]:
    """Whether small classifiers still read the forgotten concepts, with oracle and controls."""
    shown = fewer(pictures(case.data), case.data) + vague_images(case.data, case.seed)
    seen = Seen(case, shown, all_features(case, shown), case.rng("probes").getrandbits(32))
    for part, key in (
        (by_one_word, FindingKey.BY_ONE_WORD),
        (against_siblings, FindingKey.AGAINST_SIBLINGS),
        (against_rest, FindingKey.AGAINST_REST),
        (bits, FindingKey.BITS),
        (controls, FindingKey.CONTROLS),
    ):
        try:
            yield from part(seen)
        except UserError as error:
            name = part.__name__.replace("_", " ")
            yield Finding("probes", key, name, "info", "higher", error=str(error))


def by_one_word(seen: Seen) -> Iterator[Finding]:
    """Forgotten concepts against others of their category, from few images: this decides.

    Siblings decide nothing: an oracle has names for them and none for the concept, and so may keep
    it apart from them without ever having learned it.
    """
    tasks = one_word_tasks(seen)
    keys = (FindingKey.WORD_FEW, FindingKey.WORD_FEW_BEST)
    yield from two_places(seen, tasks, keys, "others of its category", "leak")
    yield checked(
        seen.finding(
            FindingKey.WORD_TOKENS,
            "a probe trained on few images tells it from others of its category, by single tokens",
            seen.at("tokens", lambda x: mean_of_few(few_sample(x, tasks, seen.seed))),
            tasks,
            "leak",
            note="The same on the highest value of each feature among an image's tokens.",
        )
    )
    for name, make in PROBES.items():
        hits = seen.at(READ, lambda x: fitted_hits(make, x, tasks, seen.seed))  # noqa: B023
        yield seen.finding(
            BY_WORD[name],
            f"{name} on all images tells it from others of its category",
            hits,
            tasks,
            note="After the projector.",
        )


def against_siblings(seen: Seen) -> Iterator[Finding]:
    """Forgotten concepts against their siblings, from few images and from all."""
    tasks = sibling_tasks(seen)
    keys = (FindingKey.SIBLINGS_FEW, FindingKey.SIBLINGS_FEW_BEST)
    yield from two_places(seen, tasks, keys, "its siblings", "info")
    for name, make in PROBES.items():
        hits = seen.at(READ, lambda x: fitted_hits(make, x, tasks, seen.seed))  # noqa: B023
        yield seen.finding(
            BY_SIBLINGS[name],
            f"{name} on all images tells it from its siblings",
            hits,
            tasks,
            note="After the projector.",
        )


def two_places(
    seen: Seen, tasks: list[Task], keys: tuple[FindingKey, FindingKey], others: str, kind: Kind
) -> Iterator[Finding]:
    """Few-shot accuracy at the projector, and at the layer where each model's is highest."""
    found = seen.everywhere(lambda x: few_sample(x, tasks, seen.seed))
    few = {m: {k: mean_of_few(c) for k, c in f.items()} for m, f in found.items()}
    sizes = ", ".join(str(n) for n in sizes_for(tasks) if n <= FEW)
    yield checked(
        seen.finding(
            keys[0],
            f"a probe trained on few images tells it from {others}, at the projector",
            {m: f[READ] for m, f in few.items()},
            tasks,
            kind,
            series=tuple(by_size(m, tasks, f[READ]) for m, f in found.items()),
            note=f"Balanced accuracy of ridge probes after the projector, where the decoder reads, "
            f"the mean over {sizes} training images. x of the curves: images.",
        )
    )
    top = {m: max(f, key=lambda k: accuracy(tasks, f[k])) for m, f in few.items()}
    yield checked(
        seen.finding(
            keys[1],
            f"a probe trained on few images tells it from {others}, at its best layer",
            {m: f[top[m]] for m, f in few.items()},
            tasks,
            kind,
            series=by_layer(tasks, few),
            note="The same at the layer where it is highest: "
            + ", ".join(f"{m} {k}" for m, k in top.items())
            + ". The interval does not include the choice of the layer. "
            + axis(seen),
        )
    )


def checked(f: Finding) -> Finding:
    """The positive control: a probe that fails on the base model shows nothing by failing."""
    base = f.base.interval
    if f.kind != "leak" or (base and f.chance is not None and base.low > f.chance):
        return f
    return replace(
        f,
        unlearned=NOTHING,
        error="The probe does not read the concept from the base "
        "model either, so it can tell nothing: more images are needed.",
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
                BY_REST[name],
                f"{name} on all images tells it from everything retained",
                hits,
                tasks,
                note="After the projector.",
            )
        )
    groups = random_groups(seen)
    hits = seen.at(READ, lambda x: fitted_hits(PROBES["linear probe"], x, groups, seen.seed))
    control = seen.finding(
        FindingKey.CONTROL_TASK,
        "control task: random groups of retained concepts",
        hits,
        groups,
        note="The same linear probe on groups that mean nothing.",
    )
    yield from (*found, control, selectivity(found[0], control))


def selectivity(task: Finding, control: Finding) -> Finding:
    """Accuracy on the task minus that on the control task (Hewitt and Liang 2019)."""
    pairs = {m: (getattr(task, m), getattr(control, m)) for m in ("unlearned", "base", "oracle")}
    return replace(
        task,
        key=FindingKey.SELECTIVITY,
        name="selectivity of the linear probe, against everything retained",
        chance=0.0,
        **measures({m: minus(*pair) for m, pair in pairs.items() if pair[0] is not None}),
        note="Accuracy against the rest minus that on random groups.",
    )


def minus(a: Measure, b: Measure) -> Measure:
    """The difference of two measures; without a value where one has none."""
    if a.interval is None or b.interval is None:
        return NOTHING
    low, high = difference(*a.interval, *b.interval)
    return Measure(a.interval.value - b.interval.value, a.n + b.n, low, high)


def bits(seen: Seen) -> Iterator[Finding]:
    """Online description length: what a label costs a probe that has learned from those before."""
    tasks = [
        balanced(t, np.random.default_rng([seen.seed, j])) for j, t in enumerate(main_tasks(seen))
    ]
    coded = [t._replace(eval=t.train, eval_is=t.train_is) for t in tasks]
    costs = seen.at(READ, lambda x: [prequential(x, t, seen.seed) for t in tasks])
    found = seen.finding(
        FindingKey.DESCRIPTION_LENGTH,
        "description length of the labels",
        costs,
        coded,
        note="Bits for each label, sent in growing blocks (Voita and Titov 2020); 1 where nothing "
        "can be learned. After the projector, from the attacker's images.",
    )
    yield replace(found, direction="lower", chance=1.0)
