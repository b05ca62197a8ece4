"""The thousand classes of ImageNet as people call them: dog, and the breed when it is asked.

`assets/words/photographs.tsv` has a line a class: WordNet's id, the everyday name, the special
name, and the kind (a general word). The first thousand are in the order of the tower's own
classifier; behind them are more general classes, of which other data sets have pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hfru_core.language.rewriting import with_article
from hfru_core.paths import ASSETS

CLASSES = 1000
FILE = ASSETS / "words" / "photographs.tsv"
NO_ARTICLE = frozenset(
    "armor binoculars bread broccoli cabbage cauliflower clothing coffee coral corn dough eggnog "
    "food furniture guacamole hay jeans lotion mashed_potatoes parallel_bars pajamas pasta perfume "
    "powder soup sunglasses sunscreen swimming_trunks toilet_paper velvet wine wool hair_spray "
    "chocolate_sauce ice_cream blue_jeans snow water grass glasses".split()
)


@dataclass(frozen=True)
class Name:
    """What a picture shows: the everyday name, the special one (often the same), and the kind."""

    name: str
    special: str
    kind: str
    wnid: str = ""


def classes() -> tuple[Name, ...]:
    """The names of the tower's 1,000 classes, in its order."""
    return known()[:CLASSES]


@lru_cache(maxsize=1)
def known() -> tuple[Name, ...]:
    """The names of all classes of the file."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return tuple(Name(name, special, kind, wnid) for wnid, name, special, kind in rows)


@lru_cache(maxsize=1)
def number_of() -> dict[str, int]:
    """The number of each class by WordNet's id; those up to 999 are the tower's."""
    return {c.wnid: i for i, c in enumerate(known())}


@lru_cache(maxsize=1)
def of_kind() -> dict[str, tuple[str, ...]]:
    """The everyday names of each kind, without doubles."""
    found: dict[str, dict[str, None]] = {}
    for c in known():
        found.setdefault(c.kind, {})[c.name] = None
    return {kind: tuple(names) for kind, names in found.items()}


def phrase(name: str) -> str:
    """'dog' -> 'a dog', 'corn' -> 'corn'."""
    return name if name.replace(" ", "_") in NO_ARTICLE else with_article(name)
