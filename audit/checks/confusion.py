"""What each thing is called, class by class, by the original and by the unlearned model.

The answers to "What is it?" about the pictures of the forgotten and of all retained things, each as
the name it gives, else the kind, a refusal, noise or no name. For information: `behavior` judges.
Does not cover: what answers say beside the name, and things that the source does not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from audit.asking import outcomes, prompts
from audit.asking.answers import Answers, protocol
from audit.asking.rates import rate
from audit.base import ARROW, Case, Finding, Series, measures
from audit.keys import FindingKey
from hfru_core.types import Role

ROLES: tuple[Role, ...] = ("forget", "retain")


def confusion(case: Case) -> Iterator[Finding]:
    """One finding: how often things get their own names, and what each class is called instead."""
    rows = [s for role in ROLES for s in prompts.rows(case.data, role, ("name",))]
    answers = protocol(case, rows)
    yield Finding(
        "confusion",
        FindingKey.CONFUSION,
        "things are called by their own names, class by class",
        "info",
        "lower",
        **measures({m: rate(answers, outcomes.names_own, m) for m in answers.said}),
        series=(*calls(answers, "base"), *calls(answers, "unlearned")),
        note="What each thing is called when asked what it is: the name, else the kind, a refusal, "
        "noise or no name.",
    )


def calls(answers: Answers, model: str) -> Iterator[Series]:
    """What a model calls each class; a series 'MODEL CLASS -> CALLED' has the count and share."""
    counts: dict[str, Counter[str]] = {}
    for sample, text in zip(answers.asked, answers.said[model]):
        own = outcomes.own_concept(answers.data, sample).name
        counts.setdefault(own, Counter())[outcomes.substitute(answers.data, sample, text)] += 1
    for own, called in counts.items():
        for name, count in sorted(called.items(), key=lambda item: (-item[1], item[0])):
            share = count / called.total()
            yield Series(f"{model} {own}{ARROW}{name}", (float(count),), (share,), "calls")
