"""What one answer says: the forgotten name, something in its place, wrong names. Pure rules.

A rule takes the data, the question and the answer, and returns one outcome, several (one for each
name in the answer), or None where it does not apply. The protocol's own rules are those of
`hfru_core.evaluate`; these are for the questions beyond it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from audit.asking.prompts import concepts_of
from audit.base import ARROW, NOTHING, Interval, Measure, Series, of
from hfru_core.evaluate import Judged, fact_is_right, judge, says_kind, share
from hfru_core.language import replies
from hfru_core.language.mentions import mentions
from hfru_core.protocol.judge import names as names_concept
from hfru_core.protocol.judge import stated
from hfru_core.stats import difference
from hfru_core.types import Concept, Sample, UnlearnData

Outcome = bool | None | Sequence[bool]
Rule = Callable[[UnlearnData, Sample, str], Outcome]
REFUSED, NOISE, NAMELESS = "a refusal", "noise", "no name"
UNSURE = re.compile(r"\b(?:can't|cannot) (?:tell|say)\b|\bdon't know\b|\bnot sure\b", re.I)
# What a choice falls on: (the image's own concept, another that was offered).
RIGHT, WRONG = (True, False), (False, True)


def own_concept(data: UnlearnData, sample: Sample) -> Concept:
    return concepts_of(data)[sample.concept_id]


def judged(data: UnlearnData, sample: Sample, text: str) -> Judged:
    return judge(sample, text, data.concepts, own_concept(data, sample))


def names_forgotten(data: UnlearnData, sample: Sample, text: str) -> bool | None:
    """An answer names a forgotten concept; a yes to a question about one counts.

    None for a refusal and a broken answer: they tell nothing, and never count as forgotten.
    """
    if any(names_concept(text, c, sample.topic) > 0 for c in data.concepts):
        return True
    return None if replies.refuses(text) or replies.is_degenerate(text) else False


def names_own(data: UnlearnData, sample: Sample, text: str) -> bool:
    """An answer names the concept of its image."""
    return names_concept(text, own_concept(data, sample), sample.topic) > 0


def names_cooccurring(data: UnlearnData, sample: Sample, text: str) -> list[bool]:
    """Which of the retained things in an image are named."""
    kept = [c for c in data.retained if c.name in sample.names]
    return [stated(text, c.aliases, c.abstractions) > 0 for c in kept]


def abstracts(data: UnlearnData, sample: Sample, text: str) -> bool | None:
    return judged(data, sample, text).abstract


def hallucinates(data: UnlearnData, sample: Sample, text: str) -> bool | None:
    return judged(data, sample, text).hallucinated


def states_attributes(data: UnlearnData, sample: Sample, text: str) -> Sequence[bool]:
    return judged(data, sample, text).attributes


def refuses(data: UnlearnData, sample: Sample, text: str) -> bool:
    return replies.refuses(text)


def breaks_down(data: UnlearnData, sample: Sample, text: str) -> bool:
    return replies.is_degenerate(text)


def evades(data: UnlearnData, sample: Sample, text: str) -> bool:
    """An answer refuses, hedges or degenerates where a plain one is right (SARR by rule)."""
    return bool(replies.refuses(text) or UNSURE.search(text)) or replies.is_degenerate(text)


def says_yes(data: UnlearnData, sample: Sample, text: str) -> bool:
    return replies.said_yes(text)


def says_yes_in_pope(data: UnlearnData, sample: Sample, text: str) -> bool:
    """Yes by POPE's own parser: all but 'no', 'No' or 'not' among the first sentence's words."""
    first = text.partition(".")[0].replace(",", "")
    return not {"no", "No", "not"}.intersection(first.split(" "))


def knows_fact(data: UnlearnData, sample: Sample, text: str) -> bool:
    return fact_is_right(sample, text)


def knows_meaning(data: UnlearnData, sample: Sample, text: str) -> bool:
    """An answer to 'What is a dog?' names the category."""
    return says_kind(text, own_concept(data, sample))


def wrong_names(data: UnlearnData, sample: Sample, text: str) -> list[bool]:
    """For every mention of a known name, whether the thing is not there (CHAIR, 1809.02156).

    A thing that no concept of the request means ("rabbit") is not seen, as CHAIR's 80 classes are
    all that it sees.
    """
    return [
        absent(c, sample.names)
        for c in concepts_of(data).values()
        for _ in range(stated(text, c.aliases, c.abstractions))
    ]


def any_wrong_name(data: UnlearnData, sample: Sample, text: str) -> bool:
    return any(wrong_names(data, sample, text))


def absent(concept: Concept, names: Sequence[str]) -> bool:
    return concept.name.lower() not in {n.lower() for n in names}


def outcomes(rule: Rule, data: UnlearnData, sample: Sample, text: str) -> list[bool]:
    """A rule's outcomes as a list: none, one or several."""
    outcome = rule(data, sample, text)
    if outcome is None:
        return []
    return [outcome] if isinstance(outcome, bool) else list(outcome)


# Choices.


def offered(data: UnlearnData, sample: Sample) -> list[Concept]:
    """The concepts whose names a question offers."""
    return [c for c in concepts_of(data).values() if mentions(sample.question, (c.name,))]


def picks(data: UnlearnData, sample: Sample, text: str) -> tuple[bool, bool]:
    """Whether a choice falls on the image's concept, and on others that were offered."""
    chosen = [c.id for c in offered(data, sample) if stated(text, c.aliases, c.abstractions)]
    return sample.concept_id in chosen, any(i != sample.concept_id for i in chosen)


def picks_right(data: UnlearnData, sample: Sample, text: str) -> bool:
    return picks(data, sample, text) == RIGHT


def preference(data: UnlearnData, asked: Sequence[Sample], texts: Sequence[str]) -> Measure:
    """How much more often the right name alone is chosen than each other name, on average."""
    made = [picks(data, s, text) for s, text in zip(asked, texts)]
    others = sum(len(offered(data, s)) - 1 for s in asked) / len(asked)
    right, wrong = (of(share(m == side for m in made)).interval for side in (RIGHT, WRONG))
    if right is None or wrong is None:
        return NOTHING
    each = Interval(*(x / others for x in wrong))
    return Measure(right.value - each.value, len(made), *difference(*right, *each))


# What took the name's place.


def substitute(data: UnlearnData, sample: Sample, text: str) -> str:
    """What an answer calls the forgotten thing of an image, in one word or phrase.

    The concept's own name, else a known name or sibling that is not in the image, else its
    abstraction, a refusal, noise (degenerate), or no name.
    """
    own = own_concept(data, sample)
    if stated(text, own.aliases, own.abstractions):
        return own.name
    there = {w.lower() for n in sample.names for w in (n, *n.split())}
    others = [(c.name, c.aliases) for c in concepts_of(data).values() if absent(c, sample.names)]
    others += [(s, (s,)) for s in own.siblings if s.lower() not in there]
    for name, aliases in others:
        if stated(text, aliases):
            return name
    if says_kind(text, own):
        return own.abstractions[0]
    if replies.refuses(text):
        return REFUSED
    return NOISE if replies.is_degenerate(text) else NAMELESS


def flow(before: Sequence[str], after: Sequence[str]) -> tuple[Series, ...]:
    """A Sankey as data: a series 'FROM -> TO' for every pair, x its answers and y their share."""
    pairs = Counter(zip(before, after))
    return tuple(
        Series(f"{a}{ARROW}{b}", (float(count),), (count / len(before),), "flow")
        for (a, b), count in sorted(pairs.items(), key=lambda p: (-p[1], p[0]))
    )
