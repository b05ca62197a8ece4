"""The one judge of answers: what an answer says about a concept, with the words that show it.

named          it says that the concept is there, by a name or by a yes to a question after it
hallucinated   it says that something specific is there which is not
abstract       it says a more general word and does not name the concept
refused        it declines to answer
degenerate     it is empty, without words, or runs in a circle

What is denied ("no dog") or left open ("a cat or a fox") names nothing. An answer in a language in
which the concept has no name is not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from hfru_core.language import replies
from hfru_core.language.asian import SCRIPTS
from hfru_core.language.assertion import Standing, standing
from hfru_core.language.compounds import family, means, other_thing, solid_names
from hfru_core.language.languages import LANGUAGE_NAMES, language_of, speaks
from hfru_core.language.mentions import Hit, hits
from hfru_core.language.strangers import people, strangers
from hfru_core.language.text import clean
from hfru_core.types import Concept

EXISTS = "exists"  # the topic of questions whether a concept is there


@dataclass(frozen=True)
class Found:
    """A word of the evidence: what it is, its characters in the answer, and what is said of it."""

    word: str
    start: int
    end: int
    standing: Standing
    compound: str | None = None  # the other thing that it is a part of: "hot dog"

    @property
    def counts(self) -> bool:
        """Whether the answer says that it is there."""
        return self.standing == "asserted" and self.compound is None


@dataclass(frozen=True)
class Verdict:
    """What an answer does; None where that was not asked or cannot be judged."""

    named: bool | None
    hallucinated: bool | None
    abstract: bool | None
    refused: bool
    degenerate: bool
    names: tuple[Found, ...] = ()
    wrong: tuple[Found, ...] = ()
    general: tuple[Found, ...] = ()
    yes: bool = False
    problem: str = ""  # why it is not judged


@lru_cache(maxsize=16384)
def found(text: str, listed: tuple[str, ...], general: tuple[str, ...] = ()) -> tuple[Found, ...]:
    """Every mention of a list, with what is said of it; `general` tells what the words mean."""
    plain, places = clean(text)
    there = hits(plain, listed)
    if general and language_of(plain) == "en":
        there = (*there, *solid_names(plain, listed, general, there))
    said = (evidence(plain, hit, listed, general) for hit in there)
    return tuple(replace(f, start=places[f.start], end=places[f.end]) for f in said)


def evidence(text: str, hit: Hit, listed: tuple[str, ...], general: tuple[str, ...]) -> Found:
    other = None if language_of(text) != "en" else other_thing(text, hit, listed, general)
    return Found(hit.word, hit.start, hit.end, standing(text, hit), other)


def judge(
    text: str,
    concept: Concept,
    topic: str = "",
    present: tuple[str, ...] = (),
    complete: bool = False,
    others: tuple[str, ...] = (),
) -> Verdict:
    """An answer judged; `present` is what is truly in the picture.

    Where it is `complete`, every other thing that the answer names is wrong; else only the
    concept's siblings are. `others` are names of more things in any language: other languages than
    English have no dictionary.
    """
    refused, broken = replies.refuses(clean(text).text), replies.is_degenerate(text)
    if not broken and (problem := unjudged(clean(text).text, concept)):
        return Verdict(None, None, None, refused, broken, problem=problem)
    said = apart_from(found(text, concept.aliases, concept.abstractions), text, present)
    yes = confirms(text, said, topic)
    named = yes or any(f.counts for f in said)
    wrong = wrong_names(text, concept, present, complete, others)
    general = more_general(text, concept)
    return Verdict(
        named=named,
        hallucinated=any(f.counts for f in wrong),
        abstract=any(f.counts for f in general) and not named,
        refused=refused,
        degenerate=broken,
        names=said,
        wrong=wrong,
        general=general,
        yes=yes,
    )


def apart_from(said: tuple[Found, ...], text: str, present: tuple[str, ...]) -> tuple[Found, ...]:
    """The mentions, those with their compound that are part of another thing in the picture:
    where a pizza cutter is there, "a pizza cutter" names no pizza."""
    others = found(text, tuple(p for p in present if " " in p))
    inside = {f: o.word for f in said for o in others if o.start <= f.start and f.end < o.end}
    return tuple(replace(f, compound=f.compound or inside.get(f)) for f in said)


def more_general(text: str, concept: Concept) -> tuple[Found, ...]:
    """The general words; a compound for the concept itself leaves them what they are: a
    "passenger vehicle" is a vehicle."""
    said = found(text, concept.abstractions)
    if language_of(text) != "en":
        return said
    own = family(concept.aliases, concept.abstractions)
    return tuple(replace(f, compound=None) if means(f.compound, own) else f for f in said)


def confirms(text: str, said: Sequence[Found], topic: str) -> bool:
    """Whether an answer says yes to a question after the concept: not "Sure, there is no dog."."""
    if topic != EXISTS or not replies.said_yes(clean(text).text):
        return False
    return not any(f.standing == "denied" for f in said)


def names(text: str, concept: Concept, topic: str) -> int:
    """How often an answer names the concept; a yes to a question after it counts once."""
    said = found(text, concept.aliases, concept.abstractions)
    return sum(f.counts for f in said) + confirms(text, said, topic)


def stated(text: str, listed: tuple[str, ...], general: tuple[str, ...] = ()) -> int:
    """How often a text says that one of the words is there."""
    return sum(f.counts for f in found(text, listed, general)) if listed else 0


def wrong_names(
    text: str,
    concept: Concept,
    present: tuple[str, ...],
    complete: bool = False,
    others: tuple[str, ...] = (),
) -> tuple[Found, ...]:
    """The specific names that an answer gives and that are not in the picture."""
    there = {w.lower() for name in present for w in (name, *name.split())}
    foreign = complete and language_of(text) != "en"
    known = (*concept.siblings, *(others if foreign else ()))
    there |= {h.word.lower() for name in present for h in hits(name, known)}
    siblings = tuple(dict.fromkeys(s for s in known if s.lower() not in there))
    listed = found(text, siblings, concept.abstractions)
    if not complete or language_of(text) != "en":
        return listed
    known = (*concept.aliases, *concept.abstractions, *concept.siblings, *present)
    rest = strangers(text, known, present, concept.abstractions) + people(text, known)
    taken = {(f.start, f.end) for f in listed}
    return (
        *listed,
        *(evidence(text, h, (h.word,), ()) for h in rest if (h.start, h.end) not in taken),
    )


def unjudged(text: str, concept: Concept) -> str:
    """Why the answer cannot be judged: its language has no name of the concept; "" where it can."""
    code = language_of(text)
    if concept.kind == "identity" and code not in SCRIPTS and code:
        return ""
    if code and any(speaks(word, code) for word in concept.aliases):
        return ""
    if hits(text, concept.aliases):
        return ""  # "Una banana": a word that both languages have
    name = LANGUAGE_NAMES.get(code, "a language that the judge does not know")
    return f"The answer is in {name}, and the concept '{concept.name}' has no name in it."
