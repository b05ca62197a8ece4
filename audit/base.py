"""The audit's values and its runner: what is compared, what is found, and how audits are run.

An audit is a function from a `Case` to `Finding`s. It runs alone: the runner seeds it, times it,
and turns its failure into a finding without a value, so that one failing audit loses no other.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, TypeVar

from audit.keys import Channel, FindingKey
from hfru_core.types import Rate, Sample, UnlearnData, UserError

if TYPE_CHECKING:
    from audit.results import Results
    from hfru_core.model.vlm import VLM

T = TypeVar("T")

# What a finding decides: `leak` and `damage` enter the verdict, `info` does not; a `gate` with an
# error says that the question was not a fair one.
Kind = Literal["leak", "damage", "info", "gate"]
# Which way is bad: more naming is a leak ("higher"), less retention is damage ("lower").
Direction = Literal["higher", "lower"]
# What a series draws: a curve, one edge of a Sankey, what a class is called, points of a map, or a
# heat map over an image.
SeriesKind = Literal["curve", "flow", "calls", "points", "heat"]


ARROW = " -> "  # in the name of a flow


class Interval(NamedTuple):
    """A value and the ends of its 95 % interval, all of them known."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measure:
    """A number from `n` observations with its 95 % interval; None where nothing was scored."""

    value: float | None
    n: int
    low: float | None
    high: float | None

    @property
    def interval(self) -> Interval | None:
        """The numbers, or None unless all of them are known."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return Interval(self.value, self.low, self.high)


NOTHING = Measure(None, 0, None, None)


def of(rate: Rate) -> Measure:
    """A rate as a measure."""
    return Measure(rate.rate, rate.n, rate.low, rate.high)


class Measures(TypedDict):
    """The same measure of every model, as a finding takes it."""

    unlearned: Measure
    base: Measure
    oracle: Measure | None


def measures(by_model: Mapping[str, Measure]) -> Measures:
    """The measures of 'base', 'unlearned' and 'oracle', as far as there are any."""
    return {
        "unlearned": by_model.get("unlearned", NOTHING),
        "base": by_model.get("base", NOTHING),
        "oracle": by_model.get("oracle"),
    }


@dataclass(frozen=True)
class Series:
    """Numbers to draw, a y for every x; `kind` tells how to read them and the name.

    `curve`: x are layers, steps or numbers of images; the name is a model or a quantity.
    `flow`: named 'FROM -> TO', x its answers and y their share.
    `calls`: named 'MODEL CLASS -> CALLED', x the answers about the class and y their share.
    `points`: named 'map MODEL', the i-th is the image of the finding's i-th example.
    `heat`: named 'map MODEL IMAGE', y a value for every patch, row by row.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    kind: SeriesKind = "curve"


@dataclass(frozen=True)
class Example:
    """An image (a key that `load_image` opens) and what was said of it, for people.

    `judged` is what the finding's rule saw in the answers of base, unlearned model and oracle, two
    numbers each: how often what it looks for, and among how many; empty where no rule judged them.
    """

    image: str | None
    question: str
    base: str
    unlearned: str
    oracle: str | None = None
    judged: tuple[int, ...] = ()

    @classmethod
    def of(cls, image: str | None, question: str, answers: Mapping[str, str]) -> Example:
        """An image with every model's answer to a question about it."""
        return cls(image, question, answers["base"], answers["unlearned"], answers.get("oracle"))


@dataclass(frozen=True)
class Finding:
    """One claim with its controls.

    `audit` names the audit, `key` what it measures, `name` says it for people. `chance` is what
    guessing gives. `unscored` counts what no rule could judge. `note` says what the finding does
    not cover; `error` why there is no value.
    """

    audit: str
    key: FindingKey
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

    @property
    def channel(self) -> Channel:
        """How the finding gets at the concept."""
        return self.key.channel


def no_switch(name: str) -> None:
    """Every model has weights of its own."""


@dataclass(frozen=True)
class Case:
    """What is audited: the base model, the unlearned one, and an oracle if there is one.

    An oracle is a model retrained without the concept. `data` are images that the session never
    saw: the train split is the attacker's, the eval split is what everything is measured on.
    `trained` are the session's own samples (for membership), or none. The models may share one in
    memory and take turns in it: `switch` puts one's weights in, so they are used inside `using` or
    `opened` alone. `known` carries results about base and oracle to other cases, as long as both
    live. `results` keeps on disk what was seen, for an audit that may be stopped.
    """

    base: VLM
    unlearned: VLM
    oracle: VLM | None
    data: UnlearnData
    trained: tuple[Sample, ...] = ()
    seed: int = 0
    caveats: tuple[str, ...] = ()  # what the report says was not known of the models
    unvouched: tuple[str, ...] = ()  # word lists that only the unlearned model's record gives
    known: dict[tuple, Any] = field(default_factory=dict, repr=False, compare=False)
    switch: Callable[[str], None] = field(default=no_switch, repr=False, compare=False)
    results: Results | None = field(default=None, repr=False, compare=False)

    @property
    def models(self) -> dict[str, VLM]:
        """'base', 'unlearned' and, where there is one, 'oracle'."""
        found = {"base": self.base, "unlearned": self.unlearned, "oracle": self.oracle}
        return {name: vlm for name, vlm in found.items() if vlm is not None}

    def rng(self, purpose: str) -> random.Random:
        """Randomness that depends on the seed and the purpose alone."""
        return random.Random(f"{self.seed}/{purpose}")

    @cached_property
    def made(self) -> dict[tuple, Any]:
        """Results of `once`; not part of the value, and gone with the case."""
        return {}

    def once(self, what: tuple, make: Callable[[], T]) -> T:
        """A result that several audits share, and that must not depend on who needs it first."""
        return kept(self.made, what, make)

    @contextmanager
    def using(self, name: str) -> Iterator[VLM]:
        """One of the models, its weights in memory; not inside the use of another one."""
        in_use: list[str] = self.once(("in use",), list)
        if in_use and in_use[-1] != name:
            raise RuntimeError(f"the {name} model was asked for while {in_use[-1]} was in use")
        in_use.append(name)
        try:
            self.switch(name)
            yield self.models[name]
        finally:
            in_use.pop()

    @contextmanager
    def opened(self, name: str) -> Iterator[VLM]:
        """The same as plain weights: an adapter folded in, past any filter."""
        with self.using(name) as vlm, vlm.opened() as plain:
            yield plain

    def once_for(self, name: str, what: tuple, look: Callable[[VLM], T]) -> T:
        """What `look` sees in one model; of base and oracle it serves other cases too."""
        order = tuple(c.id for c in self.data.concepts)  # The fingerprint leaves it out.
        mark = (id(self.models[name]), self.data.fingerprint, order, self.seed)
        store = self.made if name == "unlearned" else self.known
        if self.results is None:
            make = partial(self.look, name, look)
        else:
            make = partial(self.results.once, (name, *what), partial(self.look, name, look))
        return kept(store, (*mark, *what), make)

    def look(self, name: str, look: Callable[[VLM], T]) -> T:
        with self.using(name) as vlm:
            return look(vlm)


def kept(store: dict[tuple, Any], what: tuple, make: Callable[[], T]) -> T:
    if what not in store:
        store[what] = make()
    return store[what]


def check_weights(case: Case) -> None:
    """Raises where a model's weights are not finite: no audit can tell anything about it."""
    for name in case.models:
        problem = case.once_for(name, ("damaged weights",), partial(damage, name))
        if problem:
            raise UserError(problem)


def damage(name: str, vlm: VLM) -> str | None:
    """What is wrong with a model's weights, in a sentence; None where all are finite."""
    for parameter, values in vlm.model.named_parameters():
        if not values.isfinite().all():
            return (
                f"The {name} model's weights are not all numbers: expected finite values, got "
                f"NaN or infinity in {parameter}. Its training diverged or the file is damaged: "
                "make or download it again."
            )
    return None


Audit = Callable[[Case], Iterator[Finding]]


@dataclass(frozen=True)
class Tick:
    """Progress of a run: audit number `done` of `total` begins, or has given a finding."""

    audit: str
    done: int
    total: int
    finding: Finding | None = None


@dataclass
class Run:
    """Audits on one case; iterate, and `stop()` to end after the current finding."""

    case: Case
    audits: dict[str, Audit]
    findings: list[Finding] = field(default_factory=list)
    stopping: bool = False

    def stop(self) -> None:
        """Keep the findings so far and end."""
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
        check_weights(case)
        for finding in audit(case):
            yield replace(finding, seconds=time.perf_counter() - began)
            began = time.perf_counter()
    except Exception as error:  # whatever it is: the other audits' findings are not lost
        yield Finding(
            name,
            FindingKey.FAILED,
            "failed",
            "info",
            "higher",
            error=f"{type(error).__name__}: {error}",
            note="This audit gave no value. That does not mean that nothing is left.",
            seconds=time.perf_counter() - began,
        )
