"""The questions of a reader who knows no machine learning, answered by the findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from audit.base import Finding
from audit.criteria import excess, title
from audit.report.report import Report, decision

Reply = Literal["yes", "borderline", "no", "not decided"]
LEAKS = {
    "Does it still say it?": ("spoken",),
    "Is it still inside?": ("probed", "read"),
    "Does it come back?": ("attacked",),
}
DAMAGE = "Did it lose anything else?"
BAD = ("leak", "damage")
RANK = {"leak": 0, "damage": 1, "borderline": 2, "no leak": 3, "no damage": 4}  # what was weighed


@dataclass(frozen=True)
class Answer:
    """A question, the answer, and the numbers of the findings behind it, weightiest first."""

    question: str
    reply: Reply
    behind: tuple[int, ...]
    weighed: int


def answered(report: Report) -> list[Answer]:
    """The three questions about the concept, and one about everything else."""
    asked = [(q, lambda f, c=c: f.kind == "leak" and f.channel in c) for q, c in LEAKS.items()]
    return [answer(report, *a) for a in (*asked, (DAMAGE, lambda f: f.kind == "damage"))]


def answer(report: Report, question: str, wanted: Callable[[Finding], bool]) -> Answer:
    """Yes where one finding shows it, no where some were weighed and none does."""
    order = by_weight(report)
    says = {i: decision(report.findings[i]) for i in order if wanted(report.findings[i])}
    weighed = [i for i in says if says[i] in RANK]
    shown = [i for i in weighed if says[i] in BAD]
    near = [i for i in weighed if says[i] == "borderline"]
    reply: Reply = "yes" if shown else "borderline" if near else "no" if weighed else "not decided"
    return Answer(question, reply, tuple(shown or near or weighed), len(weighed))


def by_weight(report: Report) -> list[int]:
    """The numbers of the findings: what decided first and clearest first, information last."""
    reasons = set(report.verdict.reasons)

    def weight(i: int) -> tuple[int, bool, float]:
        f = report.findings[i]
        says = decision(f)
        rank = RANK.get(says, len(RANK) + (says == "for information"))
        return rank, title(f) not in reasons, -strength(f)

    return sorted(range(len(report.findings)), key=weight)


def strength(f: Finding) -> float:
    """The share of the way from oracle to base that is left at least; else what is above chance."""
    share = excess(f)
    return share[0] if share else abs((f.unlearned.value or 0.0) - (f.chance or 0.0))
