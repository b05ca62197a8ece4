"""Damage to one thing, which a mean over all retained things hides.

Does not cover: things that the source has no other pictures of.
"""

from __future__ import annotations

from audit.asking import outcomes, prompts
from audit.asking.answers import Answers, about, ask, together, where
from audit.asking.groups import careful
from audit.asking.rates import rate, telling
from audit.base import Case, Finding, measures
from audit.keys import FindingKey
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import parse_source
from hfru_core.types import Sample, UserError

SUSPECTS, MORE = 2, 24  # retained things asked on so many more pictures


def worst_retained(case: Case, kept: Answers) -> Finding:
    """The retained concept that lost most, asked on more pictures: a mean hides one lost thing."""
    parts = {c.id: where(kept, about(c.id)) for c in case.data.retained}
    parts = {name: part for name, part in parts.items() if part.asked}
    suspects = sorted(parts, key=lambda name: -lost_by(parts[name]))[:SUSPECTS]
    found = {}
    for name in suspects:
        more = more_pictures(case, name) if lost_by(parts[name]) > 0 else []
        found[name] = together(parts[name], ask(case, more)) if more else parts[name]
    name = max(found, key=lambda name: lost_by(found[name]))
    rates = {m: careful(found[name], outcomes.names_own, m, len(found)) for m in kept.said}
    return Finding(
        "behavior",
        FindingKey.RETAINED_WORST,
        "the retained thing that lost most is still named",
        "damage",
        "lower",
        **measures(rates),
        params=(("thing", prompts.concepts_of(case.data)[name].name),),
        examples=telling(found[name], outcomes.names_own, False),
        note=f"Of {len(parts)} retained things the {len(found)} that lost most were asked on more "
        "pictures; the intervals allow for that choice.",
    )


def lost_by(answers: Answers) -> float:
    """How much less often a retained thing is named than by the base model."""
    base, now = (rate(answers, outcomes.names_own, m).value or 0.0 for m in ("base", "unlearned"))
    return base - now


def more_pictures(case: Case, name: str) -> list[Sample]:
    """Questions about pictures of one retained concept that were not asked yet, if there are."""
    concept = prompts.concepts_of(case.data)[name]
    known = {s.image for s in case.data.samples}
    try:
        source = parse_source(case.data.source)
        amount = Amount(1, 1, 1, MORE)
        more = build(
            case.data.concepts, source, retain=(concept,), amount=amount, seed=case.seed + 1
        )
    except UserError:
        return []
    rows = [s for s in more.select("retain", "eval") if s.topic == "name" and s.concept_id == name]
    return [s for s in rows if s.image not in known]
