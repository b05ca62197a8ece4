"""Is the question a fair one? Before anything: the original must name the concept from its picture.

And not without it, not from another one, not from the options of a choice alone (the gate of
VLM-UnBench, arXiv 2604.03114). Else nobody can tell whether it was forgotten. Does not cover:
whether the original knows the concept by other ways than by its picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from audit.asking import outcomes, prompts
from audit.asking.answers import ask, protocol
from audit.base import Case, Finding, of
from audit.checks.images import asked, named, near
from audit.keys import FindingKey
from hfru_core.evaluate import share
from hfru_core.protocol.judge import names as names_concept
from hfru_core.types import Concept, Sample

KNOWN, LEAD = 0.5, 0.2  # of the pictures; ahead of the answers that see nothing
CONTROLS, OPTIONS = 48, 3


def fairness(case: Case) -> Iterator[Finding]:
    """One finding for each concept, and one for words that nobody but the record vouches for."""
    for concept in case.data.concepts:
        yield eligible(case, concept)
    if case.unvouched:
        yield Finding(
            "fairness",
            FindingKey.WORD_LISTS,
            "the unlearned model's own record says what counts as naming",
            "leak",
            "higher",
            error="an exam that the examined wrote clears nobody. " + " ".join(case.unvouched),
        )


def eligible(case: Case, concept: Concept) -> Finding:
    """How often the original names one concept from its pictures, and otherwise."""
    rows = [s for s in asked(case, "forget") if s.concept_id == concept.id]
    seen = of(share(named(case, rows, protocol(case, rows).said["base"])))
    others = near(case, "fairness", CONTROLS)
    blind = {
        "by the question alone": by_words(case, concept, rows, others),
        "from another picture": of(
            share(named(case, others, protocol(case, others).said["base"]))
        ).value,
        "from the options alone": from_options(case, rows),
    }
    best = max(v for v in (0.0, *blind.values()) if v is not None)
    told = ", ".join(f"{v:.0%} {how}" for how, v in blind.items() if v is not None)
    fair = seen.value is not None and seen.value >= KNOWN and seen.value - best >= LEAD
    return Finding(
        "fairness",
        FindingKey.ELIGIBLE,
        f"the original names {concept.name} from its picture",
        "gate",
        "higher",
        base=seen,
        params=(("concept", concept.name),),
        error=None if fair else refused(concept, seen.value, seen.n, told),
        note=f"Of the same questions: {told}.",
    )


def refused(concept: Concept, value: float | None, n: int, told: str) -> str:
    what = f"in {value:.0%} of {n} of its pictures" if value is not None else "in no picture"
    return (
        f"the original names {concept.name} {what}, and {told}. It must name it in at least "
        f"{KNOWN:.0%}, and in {LEAD:.0%} more than without them, else nothing can be told about "
        "forgetting: take pictures that it knows, or more of them."
    )


def without_picture(sample: Sample) -> Sample:
    return replace(sample, id=f"text?{sample.question}", image=None)


def by_words(
    case: Case, concept: Concept, rows: Sequence[Sample], others: Sequence[Sample]
) -> float | None:
    """How much more often the questions alone make the original name it than other questions do.

    A guess that is the same for every picture tells nothing of this one.
    """
    one = {s.question: without_picture(s) for s in (*rows, *others)}
    said = dict(zip(one, ask(case, list(one.values()), "base").said["base"]))
    own, other = (
        of(share(names_concept(said[s.question], concept, s.topic) > 0 for s in part)).value
        for part in (rows, others)
    )
    return None if own is None else max(0.0, own - (other or 0.0))


def from_options(case: Case, rows: Sequence[Sample]) -> float | None:
    """How often the original chooses it by its name alone; None where it has no such question."""
    can_read, rng = prompts.readable(case.base), case.rng("fairness options")
    made = prompts.choices(rows[:16], case.data, prompts.near, OPTIONS, can_read, rng)
    blind = [without_picture(s) for s in made]
    if not blind:
        return None
    said = ask(case, blind, "base").said["base"]
    return of(share(outcomes.picks_right(case.data, s, t) for s, t in zip(blind, said))).value
