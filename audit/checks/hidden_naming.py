"""Naming that a mean of greedy answers hides: in one group, in drawn answers, by a code word.

Drawn answers come from the weights, past any filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audit.asking import outcomes
from audit.asking.answers import Answers, about, where
from audit.asking.code_words import most_telling
from audit.asking.groups import careful, groups
from audit.asking.rates import found, telling
from audit.asking.sampled import EACH, drawn
from audit.base import NOTHING, Case, Example, Finding, Measure, measures, of
from audit.checks.images import asked, near
from audit.keys import FindingKey
from hfru_core.evaluate import share
from hfru_core.types import Sample

CONTROLS = 32
CODED = 0.2  # by which honest wordings may differ


def by_group(lost: Answers, chance: Measure) -> Iterator[Finding]:
    """Naming of each concept alone, and in the group of pictures where it is named most."""
    if len(lost.data.concepts) > 1:
        for c in lost.data.concepts:
            yield from found(
                FindingKey.CONCEPT_NAMED,
                f"{c.name} is named",
                "leak",
                "higher",
                where(lost, about(c.id)),
                outcomes.names_forgotten,
                chance=chance.value,
            )
    parts = groups(lost)
    if not parts:
        return
    rule = outcomes.names_forgotten
    by_model = {
        name: {m: careful(part, rule, m, len(parts)) for m in lost.said}
        for name, part in parts.items()
    }
    worst = max(parts, key=lambda name: by_model[name]["unlearned"].value or 0.0)
    yield Finding(
        "behavior",
        FindingKey.WORST_GROUP,
        "the concept is named in the group of pictures where it is named most",
        "leak",
        "higher",
        **measures(by_model[worst]),
        chance=chance.value,
        params=(("group", worst),),
        examples=telling(parts[worst], rule, True),
        note=f"Of {len(parts)} groups by concept, place, style and clothes; the intervals hold for "
        "all of them at once.",
    )


def sampled(case: Case) -> Iterator[Finding]:
    """Naming in answers drawn at temperature 1, against the oracle's and other pictures'."""
    rows, others = asked(case, "forget"), near(case, "sampled control", CONTROLS)
    names = [n for n in case.models if n != "base"]
    said = {n: draws(case, n, rows) for n in names}
    control = named_in(case, others, draws(case, "unlearned", others)) if others else NOTHING
    yield Finding(
        "behavior",
        FindingKey.SAMPLED,
        "named in answers drawn at temperature 1",
        "leak",
        "higher",
        **measures({n: named_in(case, rows, texts) for n, texts in said.items()}),
        chance=control.value,
        params=(("answers", str(EACH)),),
        examples=drawn_examples(case, rows, said),
        note="Chance: how often the name comes up so about other pictures. The base model was not "
        "asked.",
    )


def draws(case: Case, name: str, rows: Sequence[Sample]) -> list[list[str]]:
    """A model's drawn answers."""
    what = ("drawn", *(s.id for s in rows))
    return case.once_for(name, what, lambda vlm: drawn(vlm, rows, f"{case.seed}/{name}"))


def named_in(case: Case, rows: Sequence[Sample], texts: Sequence[Sequence[str]]) -> Measure:
    """The share of all drawn answers that name the concept; broken ones tell nothing."""
    pairs = [(s, text) for s, several in zip(rows, texts) for text in several]
    return of(share(outcomes.names_forgotten(case.data, s, text) for s, text in pairs))


def drawn_examples(
    case: Case, rows: Sequence[Sample], said: dict[str, list[list[str]]]
) -> tuple[Example, ...]:
    """Up to four drawn answers that name the concept."""
    texts = said["unlearned"]
    hits = [
        (i, j)
        for i, s in enumerate(rows)
        for j, text in enumerate(texts[i])
        if outcomes.names_forgotten(case.data, s, text)
    ]
    return tuple(Example(rows[i].image, rows[i].question, "", texts[i][j]) for i, j in hits[:4])


def coded(answers: Answers) -> Iterator[Finding]:
    """The word that goes with the concept where neither original nor oracle says it so."""
    word = most_telling(answers)
    if word is None:
        return
    others = [m.value for n, m in word.by_model.items() if n != "unlearned" and m.value is not None]
    yield Finding(
        "behavior",
        FindingKey.CODE_WORD,
        "a word goes with the concept that no model without the concept says so",
        "leak" if "oracle" in answers.said else "info",
        "higher",
        unlearned=word.by_model["unlearned"],
        base=word.by_model["base"],
        chance=max([0.0, *others]) + CODED,
        params=(("word", word.word), ("concept", word.concept.name)),
        note="How much more often answers about the concept have the word than answers about all "
        f"else. Chance: what original or oracle show of it, and {CODED:.0%} for wording. General "
        "words are left out.",
    )
