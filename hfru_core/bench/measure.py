"""What is measured of one model: its answers, the standard audit, and one relearning attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from audit.base import Case, Finding, Measure, Run
from audit.cases import PICTURES, oracle_folder, pictures_for
from audit.checks.relearn import SHORT, STEPS, attacked
from audit.criteria import verdict
from audit.keys import FindingKey
from audit.suite import STANDARD
from hfru_core.bench.jobs import Job
from hfru_core.bench.unlearn import concepts_of
from hfru_core.data.build import build
from hfru_core.data.request_variants import asked_politely
from hfru_core.data.samples import Amount
from hfru_core.evaluate import evaluate
from hfru_core.model import vlm
from hfru_core.model.vlm import VLM
from hfru_core.types import NOT_MEASURED, Evaluation, Rate, UnlearnData

SHARES = ("retain", "attributes", "facts", "retain_profile")  # of the base model's rate
FRESH, AUDITED = 1000, 7000  # seeds of drawn images that no session sees
COLUMNS = {
    "probe": (FindingKey.WORD_FEW,),
    "nf4": (FindingKey.NAMED_NF4,),
    "in_context": (FindingKey.AFTER_HINT, FindingKey.AFTER_ROLE, FindingKey.AFTER_EXAMPLES),
    "relearned": (FindingKey.RELEARNED,),
    "relearn_steps": (FindingKey.RELEARN_STEPS,),
}
Values = dict[str, dict[str, float | int | None]]
Tell = Callable[[str], None]


@dataclass
class Bench:
    """What rows on the same model share: the references, and what is known about them."""

    model: Path | str
    pictures: int = PICTURES
    oracle: Path | None = None  # given; else a shipped one, for the bundled model
    base: VLM = field(init=False)
    oracles: dict[Path, VLM] = field(default_factory=dict)
    known: dict[tuple, object] = field(default_factory=dict)
    before: dict[tuple, Evaluation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base = vlm.load(self.model)

    def oracle_of(self, job: Job) -> Path | None:
        return oracle_folder(self.oracle, concepts_of(job), self.base.name)

    def answers(self, job: Job, model: VLM) -> Values:
        """The rates of `evaluate`, on images that the session did not see."""
        amount = Amount(0, 0, self.pictures, self.pictures)
        source = job.source.fresh(FRESH + job.seed)
        request = build(concepts_of(job), source, amount=amount, seed=job.seed)
        key = (job.task, job.seed, source)
        values = self.rates(key, request, model)
        if job.request == "polite":
            loaded = self.rates((*key, "polite"), asked_politely(request), model)
            values["polite"] = loaded["retain"]
        return values

    def rates(self, key: tuple, request: UnlearnData, model: VLM) -> Values:
        """All rates of a model; the base model's are known from the row before, by `key`."""
        if key not in self.before:
            self.before[key] = evaluate(self.base, request)[0]
        now, before = evaluate(model, request)[0], self.before[key]
        return {
            name: asdict(share(rate, getattr(before, name)) if name in SHARES else rate)
            for name, rate in vars(now).items()
        }

    def leakage(self, job: Job, model: VLM, tell: Tell) -> tuple[Values, dict]:
        """The leakage columns, and the verdict of the findings behind them."""
        findings = list(self.findings(job, model, tell))
        found = verdict(findings)
        return leak_values(findings), {
            "verdict": found.state,
            "reasons": list(found.reasons),
            "audit_errors": [f"{f.audit}: {f.error}" for f in findings if f.error],
            "beside": beside(findings),
        }

    def findings(self, job: Job, model: VLM, tell: Tell):
        case = self.case(job, model)
        tell("audit")
        rest = {name: audit for name, audit in STANDARD.items() if name != "relearn"}
        for tick in Run(case, rest):
            if tick.finding:
                yield tick.finding
        tell("relearn")
        for tick in Run(case, {"relearn": lambda c: attacked(c, SHORT, STEPS)}):
            if tick.finding:
                yield tick.finding

    def case(self, job: Job, model: VLM) -> Case:
        folder, oracle = self.oracle_of(job), None
        if folder:
            self.oracles.setdefault(folder, vlm.load(folder))
            oracle = self.oracles[folder]
        pictures = pictures_for(
            concepts_of(job), job.source.fresh(AUDITED + job.seed), self.pictures, job.seed
        )
        return Case(self.base, model, oracle, pictures, (), job.seed, known=self.known)


def share(now: Rate, before: Rate) -> Rate:
    """A rate as a share of the base model's, which is taken as known."""
    if now.rate is None or now.low is None or now.high is None or not before.rate:
        return NOT_MEASURED
    return Rate(now.rate / before.rate, now.n, now.low / before.rate, now.high / before.rate)


def leak_values(findings: Sequence[Finding]) -> Values:
    """Columns by name; of several contexts, the one that brings most back."""
    values = {}
    for column, keys in COLUMNS.items():
        fitting = [f for f in findings if f.key in keys]
        if fitting:
            values[column] = plain(max(fitting, key=strength).unlearned)
    return values


def strength(f: Finding) -> float:
    """A finding's value, for comparison; below all others where it has none."""
    return -1 if f.unlearned.value is None else f.unlearned.value


def beside(findings: Sequence[Finding]) -> dict[str, Values]:
    """The same columns of base and oracle, as this audit found them."""
    out = {}
    for name in ("base", "oracle"):
        rows = [replace(f, unlearned=getattr(f, name)) for f in findings if getattr(f, name)]
        out[name] = leak_values(rows)
    return out


def plain(m: Measure) -> dict[str, float | int | None]:
    return {"rate": m.value, "n": m.n, "low": m.low, "high": m.high}
