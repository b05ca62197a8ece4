"""English nouns by WordNet: their senses, what is more general, more special, and beside them.

The extract is made by `extract.py`; its licence lies beside it.
"""

from __future__ import annotations

import gzip
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from hfru_core.paths import ASSETS

VISIBLE = ("physical object", "person", "food", "solid food", "body of water")
PICTURED = ("food", "solid food", "edible fruit", "animal", "clothing")
HIDDEN = ("location", "land")
BROAD = 0.3  # of a doubling of what lies below a sense
FOLDER = ASSETS / "words"


@dataclass(frozen=True)
class Use:
    """A word for a synset: the number of this sense of the word, and its count in tagged text."""

    word: str
    number: int
    count: int


@dataclass(frozen=True)
class Sense:
    """A noun in one meaning: its synset's line, the use of the word, and the gloss."""

    synset: int
    use: Use
    gloss: str


class Dictionary:
    """The nouns; a word is looked up in any case, with spaces, hyphens or neither."""

    def __init__(self, lines: list[str]) -> None:
        self.rows = [line.split("\t") for line in lines if not line.startswith("=")]
        counted = (line[1:].split(" ") for line in lines if line.startswith("="))
        self.no_noun = {key(word): int(count) for word, count in counted}

    @cached_property
    def index(self) -> dict[str, list[int]]:
        """The synsets of each word, by the word's letters and digits alone."""
        found: dict[str, list[int]] = {}
        for i, row in enumerate(self.rows):
            for part in row[1].split("|"):
                found.setdefault(key(part.split(":", 1)[0]), []).append(i)
        return found

    @cached_property
    def below(self) -> list[list[int]]:
        """The synsets directly under each."""
        under: list[list[int]] = [[] for _ in self.rows]
        for i in range(len(self.rows)):
            for parent in self.above(i):
                under[parent].append(i)
        return under

    def above(self, synset: int) -> list[int]:
        """The synsets directly over one."""
        return [int(x.lstrip("i")) for x in self.rows[synset][0].split(",") if x]

    def uses(self, synset: int) -> list[Use]:
        """The words for a synset, the usual one first."""
        parts = (p.rsplit(":", 2) for p in self.rows[synset][1].split("|"))
        return [Use(w.replace("_", " "), int(n), int(c)) for w, n, c in parts]

    def gloss(self, synset: int) -> str:
        return self.rows[synset][2]

    def senses(self, word: str) -> list[Sense]:
        """What a word can mean, the most frequent first; empty for an unknown word."""
        wanted = key(word)
        found = {
            Sense(i, use, self.gloss(i))
            for i in self.index.get(wanted, ())
            for use in self.uses(i)
            if key(use.word) == wanted
        }
        return sorted(found, key=lambda s: (s.use.number, -s.use.count, s.synset))

    def ancestors(self, synset: int) -> list[int]:
        """Everything more general, the nearest first."""
        return list(self.walk(synset, self.above))[1:]

    def family(self, synset: int) -> list[int]:
        """The synset and everything more special, the nearest first."""
        return list(self.walk(synset, self.below.__getitem__))

    def walk(self, start: int, step: Callable[[int], list[int]]) -> Iterator[int]:
        """Breadth first, each once."""
        seen, todo = {start}, deque([start])
        while todo:
            synset = todo.popleft()
            yield synset
            new = [s for s in step(synset) if s not in seen]
            seen.update(new)
            todo.extend(new)

    @cached_property
    def single(self) -> frozenset[int]:
        """Single people, places and other things that have a name."""
        return frozenset(i for i, row in enumerate(self.rows) if row[0].startswith("i"))

    @cached_property
    def visible(self) -> frozenset[int]:
        """What a picture can show: objects, living things and food."""
        roots = (self.senses(word)[0].synset for word in VISIBLE)
        hidden = (self.senses(word)[0].synset for word in HIDDEN)
        found = frozenset(x for r in roots for x in self.family(r)) - self.single
        return found - frozenset(x for r in hidden for x in self.family(r))

    @cached_property
    def pictured(self) -> frozenset[int]:
        """What people take pictures of: food in every form, animals and clothing."""
        roots = (self.senses(word)[0].synset for word in PICTURED)
        return frozenset(x for root in roots for x in self.family(root))

    @cache  # noqa: B019 - there is one dictionary
    def breadth(self, synset: int) -> float:
        """How many things a synset has below it, on a scale of doublings."""
        return math.log2(len(self.family(synset)) + 1)

    def likelihood(self, sense: Sense) -> float:
        """How likely a picture's word is meant so: frequent, broad, and rather food than plant."""
        bonus = 2.0 if sense.synset in self.pictured else 0.0
        return sense.use.count + self.breadth(sense.synset) + bonus

    def share(self, use: Use, inside: frozenset[int], noun: bool = False) -> float:
        """How much of a word's use (as a `noun`) is in a sense within `inside`, from 0 to 1.

        Tagged text has most words never: the first sense counts one and a half more, later ones
        less, broad ones more; what a picture can show counts twice, and names of single things do
        not count.
        """
        senses = self.senses(use.word)
        seen = [s for s in senses if s.synset not in self.single] or senses
        weights = {s.synset: self.weight(s) for s in seen}
        whole = sum(weights.values()) + (0 if noun else self.no_noun.get(key(use.word), 0))
        return sum(w for i, w in weights.items() if i in inside) / whole

    def weight(self, sense: Sense) -> float:
        """What a sense weighs among those of its word."""
        rank = 1.5 / sense.use.number**2 + BROAD * (self.breadth(sense.synset) - 1)
        return (sense.use.count + rank) * (2 if sense.synset in self.visible else 1)


def key(word: str) -> str:
    """'Hot-dog' and 'hot_dog' -> 'hotdog'."""
    return "".join(c for c in word.lower() if c.isalnum())


@lru_cache(maxsize=1)
def dictionary() -> Dictionary:
    """The shipped extract, read once."""
    return Dictionary(unpacked("nouns.tsv.gz").strip("\n").split("\n"))


@lru_cache(maxsize=1)
def keys() -> frozenset[str]:
    """The letters of every noun: far smaller than the dictionary."""
    return frozenset(unpacked("keys.txt.gz").split())


def is_noun(letters: str) -> bool:
    """Whether there is a noun with these letters."""
    return letters in keys()


def unpacked(name: str) -> str:
    return gzip.decompress((FOLDER / name).read_bytes()).decode()
