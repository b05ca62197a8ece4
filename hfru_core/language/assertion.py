"""Whether a sentence says that something is there, denies it, or leaves it open."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from hfru_core.language.asian import SCRIPTS
from hfru_core.language.languages import LANGUAGES, language_of
from hfru_core.language.mentions import Hit
from hfru_core.language.phrases import Language, Script
from hfru_core.language.text import Word, words

Standing = Literal["asserted", "denied", "hedged"]
SENTENCE = re.compile(r"[.!?;:\n…—–]|\s-\s")
ENDINGS = re.compile(r"[.!?;\n…。！？；]+")
DETERMINERS = frozenset(
    "a an the his her its their ein eine einen einem einer der die das den dem seinen ihren un une "
    "le la les des son sa ses una unos unas el los las su sus".split()
)
JOINING = frozenset("or and nor oder und noch ou et ni o y u".split())
COGNITION = re.compile(
    r"(?<!\S)(?:not|nt|unsure|unclear|uncertain|hard|difficult|impossible|cannot|ca|whether|if|"
    r"wonder|wondering|can|do|could|unable)(?!\S)"
)
OWNERS = frozenset("his her their its".split())
COPULA = frozenset("is are was were be".split())
FINITE = frozenset(
    "is are was were has have had s re sits stands lies lays walks runs plays looks appears seems "
    "shows holds wears eats sleeps jumps rests can could will would may might see sees".split()
)
SUBJECTS = frozenset("there it this that i he she they we you the these those".split())
DEFINITE = frozenset("the this that these those his her its their my your".split())
PRESENCE = frozenset(
    "see sees saw show shows shown contain contains include includes have has feature features "
    "depict depicts is are was were be spot find detect notice observe there any look looks".split()
)
NARROW = frozenset("without lacks lack lacking ohne sans sin".split())  # they reach one noun phrase
LEAVING = frozenset(
    "on in at with near beside next behind under over by while that which who and".split()
)
PEOPLE_OR_THINGS = frozenset("one nobody nothing none body".split())
NUMBERS = frozenset("two three four five six seven eight nine ten more less so other".split())
KINDS = re.compile(r"(?<!\S)(?:what|which)(?: (?:kind|type|sort|breed|species)s? of)?(?: an?)?$")
OTHER_NOUN = 3  # characters between 的 and a name that hold another noun
LIST_PART = 4  # words of a part of a list: "no dog, big cat or horse"
AFTER = 5  # words between a name and what denies it


def standing(text: str, hit: Hit) -> Standing:
    """What a text says about one of its mentions."""
    code = language_of(text)
    if code in SCRIPTS:
        return in_script(text, hit, SCRIPTS[code])
    return Sentence(text, hit, LANGUAGES.get(code, LANGUAGES["en"])).standing()


class Sentence:
    """The words around a mention in a language with spaces."""

    def __init__(self, text: str, hit: Hit, language: Language) -> None:
        self.words, self.hit, self.language = words(text), hit, language
        self.text = text
        self.starts = clause_starts(text, language)

    def standing(self) -> Standing:
        before, after = self.before(), self.after()
        if self.asked() or self.acted():
            return "hedged"
        if before and KINDS.search(" ".join(w.key for w in before)):
            return "asserted"
        if self.hedged([w.key for w in before]):
            return "hedged"
        if self.absent(after) or self.negated(before):
            return "denied"
        return "hedged" if self.alternative() or self.doubted(after) else "asserted"

    def hedged(self, before: list[str]) -> bool:
        """Whether a doubt stands before it that is about whether it is there."""
        doubts = [m[0] for m in self.language.hedges.finditer(" ".join(before))]
        if not doubts:
            return False
        return not (COGNITION.match(doubts[-1]) and DEFINITE & set(before[-2:]))

    def clause(self) -> int:
        """The number of the first word of the mention's clause."""
        return max((s for s in self.starts if s <= self.hit.first), default=0)

    def before(self) -> tuple[Word, ...]:
        return self.words[self.clause() : self.hit.first]

    def after(self) -> tuple[Word, ...]:
        end = min((s for s in self.starts if s > self.hit.last), default=len(self.words))
        return self.words[self.hit.last + 1 : end]

    def asked(self) -> bool:
        """Whether the sentence is a question."""
        ending = ENDINGS.search(self.text, self.hit.end)
        return bool(ending) and "?" in ending[0]  # type: ignore[index]

    def absent(self, after: tuple[Word, ...]) -> bool:
        """Whether what follows says that it is not there: "... cannot be seen"."""
        said = " ".join(w.key for w in after)
        found = self.language.absent.search(said)
        return bool(found) and len(said[: found.start()].split()) <= AFTER  # type: ignore[union-attr]

    def negated(self, before: tuple[Word, ...]) -> bool:
        """Whether a negator before the mention reaches it."""
        said = blanked([w.key for w in before], self.language.idioms)
        at = [i for i, key in enumerate(said) if key in self.language.negators]
        at = [i for i in at if not interjection(said, i, self.clause() == 0)]
        if not at:
            return bool(self.language.denying.search(" ".join(said)))
        narrow = said[at[-1] - 1 : at[-1]] in (["with"], ["has"], ["have"], ["wearing"])
        if set(said[at[-1] + 1 :]) <= DEFINITE and COPULA & set(said[at[-1] - 1 : at[-1]]):
            return True  # "This is not the Eiffel Tower."
        return reaches(said[at[-1] :], narrow, self.possessed())

    def acted(self) -> bool:
        """Whether it is what somebody does: "A boy ties his shoes."."""
        around = self.words[max(0, self.hit.first - 1) : self.hit.last + 2]
        if self.words[self.hit.last].key.endswith("ing") and around[0].key in COPULA:
            return True
        if len(around) < 3 or not self.hit.first:
            return False
        return around[-1].key in OWNERS and around[0].key not in self.language.function | OWNERS

    def possessed(self) -> bool:
        """Whether something of it is meant: "the dog's face"."""
        following = self.words[self.hit.last + 1 : self.hit.last + 2]
        return bool(following) and following[0].before.startswith("'s")

    def alternative(self) -> bool:
        """Whether it is one side of an "or" between different things."""
        left = [w.key for w in self.words[max(0, self.hit.first - 3) : self.hit.first]]
        right = [w.key for w in self.words[self.hit.last + 1 : self.hit.last + 3]]
        ors = self.language.joining - {"and", "nor", "und", "noch", "et", "ni", "y", "u"}
        after = bool(right) and right[0] in ors and right[-1] not in NUMBERS
        return after or any(key in ors for key in left) and not NUMBERS & set(left)

    def doubted(self, after: tuple[Word, ...]) -> bool:
        """Whether a doubt follows at once: "a dog, maybe"."""
        following = self.words[self.hit.last + 1 : self.hit.last + 2]
        doubts = ("maybe", "perhaps", "possibly", "vielleicht", "peut", "quizas")
        return bool(following) and following[0].key in doubts


def interjection(said: list[str], at: int, opens: bool) -> bool:
    """Whether a "no" is an answer of its own: "No it is a cat"."""
    following = said[at + 1 : at + 2]
    return said[at] == "no" and opens and at == 0 and bool(SUBJECTS & set(following))


def blanked(said: list[str], idioms: re.Pattern[str]) -> list[str]:
    """The words with idioms taken out, which deny nothing."""
    return idioms.sub(lambda m: " ".join("_" for _ in m[0].split()), " ".join(said)).split()


def reaches(said: list[str], narrow: bool, possessed: bool) -> bool:
    """Whether the negator that these words begin with reaches the mention after them."""
    negator, between = said[0], said[1:]
    if narrow or negator in NARROW:
        anew = any(
            word in DETERMINERS and before not in JOINING for before, word in pairwise(between)
        )
        return not anew and not any(w in LEAVING or w.endswith("ing") for w in between)
    definite = bool(between) and bool(DEFINITE & set(between[-3:]))
    if negator in PEOPLE_OR_THINGS or between[:1] == ["one"]:
        return not definite
    if definite:  # "I cannot identify the animal": it is there.
        return bool(PRESENCE & set(between)) and not possessed
    return True


@lru_cache(maxsize=8192)
def clause_starts(text: str, language: Language) -> tuple[int, ...]:
    """The numbers of the words that begin a clause."""
    tokens = words(text)
    found = [0]
    for i, word in enumerate(tokens[1:], 1):
        if (
            SENTENCE.search(word.before)
            or word.key in language.contrast
            or (word.key == "than" and tokens[i - 1].key == "other")
            or ("," in word.before and not carries_on(tokens, i, language))
            or (word.key in language.joining and begins_anew(tokens, i, language))
        ):
            found.append(i)
    return tuple(found)


def carries_on(tokens: tuple[Word, ...], at: int, language: Language) -> bool:
    """Whether a list goes on after a comma: "no dog, cat or horse"."""
    if tokens[at].key in language.joining:
        return not begins_anew(tokens, at, language)
    part, rest = [tokens[at].key], tokens[at + 1 :]
    for word in rest:
        if "," in word.before or SENTENCE.search(word.before) or word.key in language.joining:
            return (
                len(part) <= LIST_PART
                and not FINITE & set(part)
                and not SENTENCE.search(word.before)
                and listed_later(rest, language)
            )
        part.append(word.key)
    return False


def listed_later(rest: tuple[Word, ...], language: Language) -> bool:
    """Whether an "or" closes the list in this sentence."""
    for word in rest:
        if SENTENCE.search(word.before) or word.key in language.contrast:
            return False
        if word.key in language.joining:
            return True
    return False


def begins_anew(tokens: tuple[Word, ...], at: int, language: Language) -> bool:
    """Whether a clause of its own follows an "and": "no dog and a cat sits there"."""
    part = []
    for word in tokens[at + 1 :]:
        if "," in word.before or SENTENCE.search(word.before) or word.key in language.joining:
            break
        part.append(word.key)
    if not part:
        return False
    if tokens[at].key in ("or", "nor", "oder", "noch", "ou", "ni", "o"):
        return False
    return part[0] in SUBJECTS - {"the"} or bool(FINITE & set(part[1:6]))


def in_script(text: str, hit: Hit, script: Script) -> Standing:
    """The same for Chinese, Japanese and Korean."""
    start = max((m.end() for m in script.clauses.finditer(text, 0, hit.start)), default=0)
    closing = script.clauses.search(text, hit.end)
    end = closing.end() if closing else len(text)
    before, after = text[start : hit.start], text[hit.end : end]
    if script.hedged.search(before) or script.hedged.search(after):
        return "hedged"
    if ends_in_question(after):
        return "hedged"
    denied = [m.end() for m in script.denied_before.finditer(before)]
    if (denied and not leaves(before[denied[-1] :])) or script.denied_after.search(after):
        return "denied"
    return "asserted"


def leaves(between: str) -> bool:
    """Whether a relative clause ends between a negator and a name: 没有戴帽子的男人牵着一只狗."""
    _, of, rest = between.rpartition("的")
    return bool(of) and len(rest) >= OTHER_NOUN


def ends_in_question(after: str) -> bool:
    return after.rstrip().endswith(("?", "？", "吗", "吗？"))
