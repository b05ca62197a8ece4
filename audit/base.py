"""The audit's values and its runner: what is compared, what is found, and how audits are run.

An audit is a function from a `Case` to `Finding`s. It runs alone: the runner seeds it, times it,
and turns its failure into a finding without a value, so that one failing audit loses no other.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar

from hfru_core.types import Rate, Sample, UnlearnData

if TYPE_CHECKING:
    from hfru_core.model.vlm import VLM

T = TypeVar("T")

# What a finding decides: `leak` and `damage` enter the verdict, `info` does not.
Kind = Literal["leak", "damage", "info"]
# Which way is bad: more naming is a leak ("higher"), less retention is damage ("lower").
Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class Measure:
    """A number from `n` observations with its 95 % interval; None where nothing was scored."""

    value: float | None
    n: int
    low: float | None
    high: float | None


NOTHING = Measure(None, 0, None, None)


def of(rate: Rate) -> Measure:
    """A rate as a measure."""
    return Measure(rate.rate, rate.n, rate.low, rate.high)


@dataclass(frozen=True)
class Series:
    """A curve, one value for each x (a layer, a step, a number of pictures)."""

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]


@dataclass(frozen=True)
class Example:
    """A picture (a key that `load_image` opens) and what was said of it, for people."""

    image: str | None
    question: str
    base: str
    unlearned: str
    oracle: str | None = None


@dataclass(frozen=True)
class Finding:
    """One claim with its controls.

    `audit` names the file, `name` the claim. `chance` is what guessing gives. `share` says that
    the values are comparable as shares of the way from oracle to base. `unscored` counts what no
    rule could judge. `note` says what the finding does not cover; `error` why there is no value.
    """

    audit: str
    name: str
    kind: Kind
    direction: Direction
    unlearned: Measure = NOTHING
    base: Measure = NOTHING
    oracle: Measure | None = None
    chance: float | None = None
    params: tuple[tuple[str, str], ...] = ()
    unscored: int = 0
    series: tuple[Series, ...] = ()
    examples: tuple[Example, ...] = ()
    note: str = ""
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Case:
    """What is audited: the original model, the unlearned one, a retrained oracle if there is one.

    `data` are pictures the session never saw: the train split is the attacker's, the eval split
    is what everything is measured on. `trained` are the session's own samples (for membership), or
    none. The three models never share weights. `known` carries what was found out about base and
    oracle to other cases, as long as both live.
    """

    base: VLM
    unlearned: VLM
    oracle: VLM | None
    data: UnlearnData
    trained: tuple[Sample, ...] = ()
    seed: int = 0
    known: dict[tuple, object] = field(default_factory=dict, repr=False, compare=False)

    @property
    def models(self) -> dict[str, VLM]:
        """'base', 'unlearned' and, where there is one, 'oracle'."""
        found = {"base": self.base, "unlearned": self.unlearned, "oracle": self.oracle}
        return {name: vlm for name, vlm in found.items() if vlm is not None}

    def rng(self, purpose: str) -> random.Random:
        """Randomness that depends on the seed and the purpose alone."""
        return random.Random(f"{self.seed}/{purpose}")

    @cached_property
    def made(self) -> dict[tuple, object]:
        """What `once` has made; no part of the value, and gone with the case."""
        return {}

    def once(self, what: tuple, make: Callable[[], T]) -> T:
        """What several audits need of this case and must come out the same whoever asks first."""
        return kept(self.made, what, make)

    def once_for(self, name: str, what: tuple, make: Callable[[], T]) -> T:
        """The same of one model; of base and oracle it serves other cases with them too."""
        order = tuple(c.id for c in self.data.concepts)  # The fingerprint does not tell it.
        mark = (id(self.models[name]), self.data.fingerprint, order, self.seed)
        return kept(self.made if name == "unlearned" else self.known, (*mark, *what), make)


def kept(store: dict[tuple, object], what: tuple, make: Callable[[], T]) -> T:
    if what not in store:
        store[what] = make()
    return store[what]


Audit = Callable[[Case], Iterator[Finding]]


@dataclass(frozen=True)
class Tick:
    """Progress of a run: audit `done` of `total` begins, or the finding that it gave."""

    audit: str
    done: int
    total: int
    finding: Finding | None = None


@dataclass
class Run:
    """Audits on one case; iterate, and `stop()` to end after the finding that is being made."""

    case: Case
    audits: dict[str, Audit]
    findings: list[Finding] = field(default_factory=list)
    stopping: bool = False

    def stop(self) -> None:
        """Keep what was found so far and end."""
        self.stopping = True

    def __iter__(self) -> Iterator[Tick]:
        for done, (name, audit) in enumerate(self.audits.items()):
            if self.stopping:
                return
            yield Tick(name, done, len(self.audits))
            for finding in guarded(name, audit, self.case):
                self.findings.append(finding)
                yield Tick(name, done, len(self.audits), finding)
                if self.stopping:
                    return


def guarded(name: str, audit: Audit, case: Case) -> Iterator[Finding]:
    """The findings of one audit, seeded and timed; its failure is a finding without a value."""
    import torch  # Here, so that a page can show findings without waiting for it.

    digest = hashlib.sha256(f"{case.seed}/{name}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:4], "big"))
    began = time.perf_counter()
    try:
        for finding in audit(case):
            yield replace(finding, seconds=time.perf_counter() - began)
            began = time.perf_counter()
    except Exception as error:  # whatever it is: the other audits' findings are not lost
        yield Finding(
            name,
            "failed",
            "info",
            "higher",
            error=f"{type(error).__name__}: {error}",
            note="This audit gave no value: that is no sign that nothing is left.",
            seconds=time.perf_counter() - began,
        )
