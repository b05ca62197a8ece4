"""The words that decide about a noun: its names, more general words, and what it is confused with.

All from WordNet. Names are the words of a sense and of everything more special, abstractions the
words that people say for what is more general, siblings the other things of the same kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from hfru_core.language.dictionary import Dictionary, Sense, Use, dictionary, key
from hfru_core.language.inflection import numbers
from hfru_core.language.text import COLOURS
from hfru_core.types import UserError

LEAST = 0.5  # share of a word's use from which it names something more general
LEAST_OWN = 0.15  # the same for the words of the sense itself
MOST = 1000
MOST_SIBLINGS = 40
LEAST_SAID = 0.25  # the same for a more general word
BASIC = 250  # as many kinds has what people call by one word, such as dogs
FEW = 5  # siblings of what is of no usual kind, from which no farther ones are added
FAR = 1.5  # what a level costs a sibling; a usual word gains up to 3
NEAREST = 8  # of the more general words one of which comes first
# "a young horse", "uncastrated adult male of domestic cattle"
STARTS = re.compile(
    r"(?:an? |the )?(?:(?:young|mature|adult|female|male|uncastrated|castrated|immature|"
    r"newborn|baby)(?: or \w+)?\s+)+(?:of (?:an?|the)? ?)?"
)
ENDS = re.compile(r"[,;:(]|\b(?:of|with|that|which|in|on|under|having|used|kept|or|less|who)\b")
# Words that nobody says instead of a name, words that are said last, and where kinds end.
TOO_GENERAL = frozenset(
    "physicalentity entity object whole livingthing organism artifact matter thing causalagent "
    "unit being cause substance instrumentality article naturalobject abstraction group part piece "
    "portion commodity way system solid conveyance coveringmaterial consumergoods work creation "
    "product selfpropelledvehicle wheeledvehicle nutriment nutrient location region placental "
    "chordate vertebrate cognition knowledge belief psychologicalfeature plantpart plantorgan "
    "reproductivestructure naturalobject craft ware adult organiccompound foodstuff".split()
)
VAGUE = frozenset("device container structure equipment implement covering instrument".split())
KINDS = (
    "animal", "person", "food", "plant", "vehicle", "musical instrument", "furniture", "tool",
    "weapon", "clothing", "building", "hominid",
)  # fmt: skip
INSULTS = re.compile(
    r"\b(?:slurs?|offensive|disparag\w+|derogatory|obscene|insult\w*|contemptuous|pejorative)\b"
)
# Insults that the dictionary does not mark as such, and what no picture shows of somebody.
UNMARKED = frozenset(
    "abo apache coon cripple dullard dumbass dwarf heathen homosexual hulk idiot imbecile "
    "jewbaiter lunkhead maniac moron negro negroid nymphomaniac papist plugugly redskin slave "
    "whore".split()
)


@dataclass(frozen=True)
class Words:
    """The three lists of a noun in one sense; no word is in two."""

    names: tuple[str, ...]
    abstractions: tuple[str, ...]
    siblings: tuple[str, ...]


def words_for(noun: str, number: int | None = None) -> Words:
    """The lists of a noun, in its sense of that number or the likeliest; raises for others.

    A name of several words that the dictionary has not is something special of its last word.
    """
    book = dictionary()
    sense = picked(book, noun, number)
    if sense:
        called = unique([noun, *names(book, sense.synset), *alike(book, sense.synset, noun)])
        return Words(
            *apart(called, abstractions(book, sense.synset), siblings(book, sense.synset, noun))
        )
    head = chosen(book, noun.split()[-1]) if " " in noun.strip() else None
    if head is None:
        raise UserError(unknown(book, noun))
    general = [*own_words(book, head.synset), *abstractions(book, head.synset)]
    beside = [u.word for child in book.below[head.synset] for u in usual(book, child)]
    return Words(
        *apart([noun], general, [*beside, *siblings(book, head.synset, noun)][:MOST_SIBLINGS])
    )


def picked(book: Dictionary, noun: str, number: int | None) -> Sense | None:
    """The sense of that number, as `senses` lists them; the likeliest without one."""
    if number is None:
        return chosen(book, noun)
    found = senses(noun)
    if not 1 <= number <= len(found):
        raise UserError(f"'{noun}' has {len(found)} senses, so there is no sense {number}.")
    return found[number - 1]


def senses(noun: str) -> list[Sense]:
    """What a noun can mean in a picture, the likeliest first."""
    book = dictionary()
    found = book.senses(noun)
    seen = [s for s in found if s.synset in book.visible] or found
    return sorted(seen, key=lambda s: (-book.likelihood(s), s.use.number))


def unknown(book: Dictionary, noun: str) -> str:
    """The message for a noun that the dictionary has not."""
    wanted = key(noun)
    alike = [k for k in book.index if k[:1] == wanted[:1] and abs(len(k) - len(wanted)) <= 2]
    near = get_close_matches(wanted, alike, 5, 0.7)
    entries = ", ".join(dict.fromkeys(book.senses(k)[0].use.word for k in near))
    hint = f" Near it are: {entries}." if near else ""
    return (
        f"The dictionary has no noun '{noun}'.{hint} Take one of these, or write the names, the "
        "general words and the words for similar things yourself."
    )


def apart(
    called: Iterable[str], general: Iterable[str], beside: Iterable[str]
) -> tuple[tuple[str, ...], ...]:
    """The lists without what an earlier one has."""
    taken: set[str] = set()
    found = []
    for listed in (called, general, beside):
        kept = tuple(w for w in unique(listed) if key(w) not in taken)
        taken |= {key(w) for w in kept}
        found.append(kept)
    return tuple(found)


def own_words(book: Dictionary, synset: int) -> list[str]:
    """The words of a sense itself that are used for it."""
    inside = frozenset(book.family(synset))
    return [u.word for u in book.uses(synset) if book.share(u, inside) >= LEAST_OWN]


def abstractions(book: Dictionary, synset: int) -> list[str]:
    """The words that people say for what is more general: the most usual, then the nearest.

    Nobody calls a violin a device: vague words are for what is of no kind.
    """
    above = [(a, u) for a in book.ancestors(synset) for u in spoken(book, a)]
    plain = [(a, u) for a, u in above if key(u.word) not in VAGUE]
    sure = [u for a, u in plain[:NEAREST] if book.share(u, frozenset(book.family(a))) >= LEAST]
    first = [max(sure, key=lambda u: u.count).word] if sure else []
    vague = [u.word for _, u in above if key(u.word) in VAGUE and not kinds(book, synset)]
    return unique([*first, *(u.word for _, u in plain), *vague])


def spoken(book: Dictionary, synset: int) -> list[Use]:
    """The first word for a sense and those that tagged text has; none for "entity" and the like."""
    uses = [u for u in book.uses(synset) if u.word.islower()]
    if any(key(u.word) in TOO_GENERAL for u in uses[:1]):
        return []
    inside = frozenset(book.family(synset))
    return [
        u
        for i, u in enumerate(uses)
        if (not i or u.count and key(u.word) not in TOO_GENERAL)
        and book.share(u, inside) >= LEAST_SAID
    ]


@lru_cache(maxsize=65536)
def kinds(book: Dictionary, synset: int) -> frozenset[str]:
    """Which of the usual kinds of things it is."""
    above = {synset, *book.ancestors(synset)}
    return frozenset(k for k in KINDS if any(s.synset in above for s in book.senses(k)[:2]))


def alike(book: Dictionary, synset: int, noun: str) -> list[str]:
    """What people call such a thing that WordNet has beside it: a field mushroom."""
    beside = {x for parent in book.above(synset) for x in book.family(parent)}
    beside -= {*book.family(synset), *book.above(synset)}
    ending = f" {noun.lower()}"
    return [u.word for s in sorted(beside) for u in usual(book, s) if u.word.endswith(ending)]


def is_such(book: Dictionary, synset: int, word: str, noun: str) -> bool:
    """Whether a word or its gloss says that it is the noun: a field mushroom, "an edible
    mushroom"."""
    said = ENDS.split(book.gloss(synset), maxsplit=1)[0].split()
    return word.endswith(f" {noun.lower()}") or noun.lower() in said


def siblings(book: Dictionary, synset: int, noun: str) -> list[str]:
    """The other things of the same kind: the usual and the near ones first."""
    own = kinds(book, synset)
    meant = [s.synset for s in book.senses(noun) if kinds(book, s.synset) == own]
    akin = {*book.family(synset), *(x for s in (synset, *meant) for x in book.ancestors(s))}
    found: list[tuple[float, str]] = []
    for level, parent in enumerate(book.ancestors(synset)):
        if level and is_far(book, parent, own, len(found)):
            break
        beside = [s for s in book.family(parent) if s not in akin and s in book.visible]
        akin |= set(beside)
        told = without_kinds_of_others(book, [s for s in beside if kinds(book, s) <= own])
        uses = (u for s in told for u in usual(book, s) if not is_such(book, s, u.word, noun))
        found += [(FAR * level - min(3.0, math.log2(u.count + 1)), u.word) for u in uses]
        if {u.word for u in book.uses(parent)} & set(KINDS):
            break
    nearest = unique(word for _, word in sorted(found, key=lambda f: f[0]))
    return in_one_number(nearest)[:MOST_SIBLINGS]


def without_kinds_of_others(book: Dictionary, beside: list[int]) -> list[int]:
    """The senses, the more general first, without those of a thing that is told and said more:
    no "mare" beside "horse"."""
    covered: dict[int, int] = {}
    told = []
    for synset in beside:
        said = max((u.count for u in usual(book, synset)), default=0)
        if said > covered.get(synset, -1):
            told.append(synset)
            family = book.family(synset)
            if said and len(family) <= BASIC:
                covered |= {s: max(said, covered.get(s, 0)) for s in family}
    return told


def is_far(book: Dictionary, parent: int, own: frozenset[str], found: int) -> bool:
    """Whether what is under it is no longer similar: anything under "device" or, for what is of
    no usual kind, more than a few things."""
    called = {key(u.word) for u in book.uses(parent)}
    broad = called & (TOO_GENERAL | VAGUE) and not own & kinds(book, parent)
    return bool(broad) or (not own and found >= FEW)


def in_one_number(found: list[str]) -> list[str]:
    """Each word in one number: no "cows" beside "cow"."""
    there = {w: i for i, w in enumerate(found)}
    return [w for i, w in enumerate(found) if all(there.get(f, i) >= i for f in numbers(w))]


def usual(book: Dictionary, synset: int) -> list[Use]:
    """The words that are mostly used for a sense, no Latin or proper names, no insults."""
    inside = frozenset((synset,))
    plain = [u for u in book.uses(synset) if u.word.islower() and not is_plural(book, u.word)]
    return [u for u in plain if book.share(u, inside) >= LEAST and not insults(book, u.word)]


def is_plural(book: Dictionary, word: str) -> bool:
    """Whether a word is the plural of another noun: "cows" of "cow"."""
    return any(len(f) < len(word) and book.senses(f) for f in numbers(word)[1:])


def names(book: Dictionary, synset: int) -> list[str]:
    """The words for a sense and for everything more special that are mostly used for that.

    The usual ones come first: those of the sense itself, then by their count in tagged text.
    """
    family = [*book.family(synset), *young(book, synset)]
    inside = frozenset(family)
    own = [u for u in book.uses(synset) if book.share(u, inside) >= LEAST_OWN]
    below = [
        u
        for s in family[1:]
        if s not in book.single
        for u in book.uses(s)
        if book.share(u, inside) >= LEAST and not insults(book, u.word)
    ]
    below.sort(key=lambda u: -u.count)
    return unique(u.word for u in (*own, *below) if is_name(u.word))[:MOST]


def insults(book: Dictionary, word: str) -> bool:
    """Whether a word is an insult in any of its senses."""
    found = book.senses(word)
    return key(word) in UNMARKED or any(INSULTS.search(s.gloss) for s in found)


def is_name(word: str) -> bool:
    """Whether a word can stand for a thing: a "small white" is a butterfly to few."""
    return "'s" not in word and not (" " in word and word.split()[-1] in COLOURS)


def young(book: Dictionary, synset: int) -> list[int]:
    """The young and the sexes of an animal, which WordNet has elsewhere: kitten, "young domestic
    cat"."""
    own = {key(u.word) for u in book.uses(synset)}
    return [i for i in book.family(book.senses("animal")[0].synset) if genus(book.gloss(i)) in own]


def genus(gloss: str) -> str:
    """The noun that a gloss begins with: "young of domestic cattle" -> cattle."""
    begun = STARTS.match(gloss)
    phrase = gloss[begun.end() :] if begun else ""
    return key(last_word(phrase))


def last_word(phrase: str) -> str:
    """The last word before what tells more."""
    head = ENDS.split(phrase, maxsplit=1)[0].split()
    return head[-1] if head else ""


def unique(found: Iterable[str]) -> list[str]:
    """Each word once, by its letters."""
    kept: dict[str, str] = {}
    for word in found:
        kept.setdefault(key(word), word)
    return list(kept.values())


def chosen(book: Dictionary, noun: str) -> Sense | None:
    """The sense that a picture is likely to show: frequent, and with many things below it."""
    for form in numbers(noun) if noun.isalpha() else (noun,):
        if senses := book.senses(form):
            seen = [s for s in senses if s.synset in book.visible] or senses
            return max(seen, key=lambda s: (book.likelihood(s), -s.use.number))
    return None
