"""What the probes share: every model's features of the same images, and classes to tell apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from audit.base import Case, Finding, Kind, Series, measures
from audit.features.probing import (
    Features,
    Hits,
    Picture,
    Task,
    measure,
    siblings,
    tell_apart,
    word,
)
from audit.keys import FindingKey
from hfru_core.types import UserError

READ = "projector"  # what the decoder gets
T = TypeVar("T")


class Seen(NamedTuple):
    """What all findings share: the images and every model's features of them."""

    case: Case
    shown: list[Picture]
    features: dict[str, Features]
    seed: int

    def finding(
        self,
        key: FindingKey,
        name: str,
        hits: dict[str, Hits],
        tasks: list[Task],
        kind: Kind = "info",
        *,
        series: tuple[Series, ...] = (),
        note: str = "",
    ) -> Finding:
        """One measure for each model that has hits."""
        found = {m: measure(tasks, h, self.shown, self.seed) for m, h in hits.items()}
        return Finding(
            "probes",
            key,
            name,
            kind,
            "higher",
            **measures(found),
            chance=0.5,
            series=series,
            note=note,
        )

    def at(self, layer: str, hits: Callable[[np.ndarray], Hits]) -> dict[str, Hits]:
        return {m: hits(f[layer]) for m, f in self.features.items()}

    def everywhere(self, hits: Callable[[np.ndarray], T]) -> dict[str, dict[str, T]]:
        return {m: {k: hits(x) for k, x in f.items()} for m, f in self.features.items()}


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
            "forgotten concept of its kind, or drawn images of the abstraction."
        )
    return tasks


def main_tasks(seen: Seen) -> list[Task]:
    """The tasks that decide, and where there are none those against siblings."""
    try:
        return one_word_tasks(seen)
    except UserError:
        return sibling_tasks(seen)
