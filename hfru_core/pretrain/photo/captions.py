"""What people's captions of a picture agree on: things, their number, and which captions teach."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from hfru_core.language.inflection import numbers

PEOPLE = (
    "person", "man", "woman", "boy", "girl", "child", "kid", "baby", "toddler", "lady", "guy",
    "player", "someone", "adult", "hiker", "climber", "skier", "surfer", "rider", "family", "crowd",
    "couple", "group", "male", "female", "skateboarder", "biker", "cyclist", "worker", "friend",
)  # fmt: skip
# What captions name often enough to ask about, each with other words for it.
THINGS = (
    "man guy gentleman", "woman lady", "boy", "girl", "child kid toddler", "baby infant",
    "dog puppy", "cat kitten", "horse pony", "bird", "sheep", "cow", "elephant", "giraffe", "bear",
    "ball baseball football basketball", "bicycle bike", "car", "bus", "train", "boat canoe kayak",
    "motorcycle motorbike", "airplane plane", "truck", "skateboard", "surfboard", "frisbee",
    "shirt t-shirt tshirt jersey", "hat cap", "jacket coat", "dress", "helmet",
    "glasses sunglasses", "backpack", "bench", "chair", "table", "bed", "window", "door",
    "fence railing", "wall",
    "building house", "bridge", "tree", "flower", "grass lawn", "rock stone boulder", "cliff ledge",
    "mountain hill", "beach sand shore", "water ocean sea lake river pond pool stream creek",
    "snow", "street road sidewalk", "camera", "toy", "stick", "rope", "umbrella", "food", "plate",
    "bowl", "bottle", "book", "computer laptop", "kitchen", "bathroom toilet", "field",
)  # fmt: skip
COUNTED = {"people": "man woman boy girl child kid person", "dogs": "dog"}
NUMBERS = {"two": "Two.", "three": "Three.", "four": "Four."}
MOST_WORDS = 18


@lru_cache(maxsize=1)
def things() -> dict[str, str]:
    """Every word for a thing, in singular and plural, and the thing's first word."""
    rows = (line.split() for line in THINGS)
    return {form: row[0] for row in rows for word in row for form in numbers(word)}


@lru_cache(maxsize=1)
def people() -> frozenset[str]:
    return frozenset(form for word in PEOPLE for form in (*numbers(word), word))


def plain(caption: str) -> str:
    """A caption as a sentence: 'a dog , running .' -> 'A dog, running.'"""
    text = re.sub(r"\s+([.,;!?'])", r"\1", caption.strip().replace('"', ""))
    text = re.sub(r"\s+", " ", text).rstrip(" .!;,") + "."
    return text[0].upper() + text[1:]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z][a-z-]*", text.lower())


@lru_cache(maxsize=4096)
def counts(captions: tuple[str, ...]) -> dict[str, int]:
    """How many of the captions mention each thing; 'person' is anybody."""
    found: dict[str, int] = {}
    for caption in captions:
        said = words(caption)
        seen = {things()[w] for w in said if w in things()}
        for thing in seen | ({"person"} if people() & set(said) else set()):
            found[thing] = found.get(thing, 0) + 1
    return found


def agreed(captions: tuple[str, ...]) -> list[str]:
    """The things that two captions mention, the most mentioned first."""
    found = counts(captions)
    return sorted((t for t, n in found.items() if n > 1), key=lambda t: -found[t])


def main(captions: tuple[str, ...]) -> list[str]:
    """The three things that most captions mention, each person once: the most special word."""
    some = agreed(captions)
    people = [t for t in some if t in PEOPLE and t != "person"]
    return [t for t in some if t != "person" or not people][:3]


@lru_cache(maxsize=4096)
def best(captions: tuple[str, ...]) -> tuple[str, ...]:
    """The three captions whose things the others mention too; none that names anybody."""
    nameless = [c for c in map(plain, captions) if not re.search(r"(?<!^)\b[A-Z][a-z]", c)]
    fitting = [c for c in nameless if 4 <= len(words(c)) <= MOST_WORDS] or nameless
    found = counts(captions)

    def support(caption: str) -> float:
        said = {things()[w] for w in words(caption) if w in things()}
        return sum(found[t] - 2.0 for t in said)

    return tuple(sorted(fitting, key=support, reverse=True)[:3])


def number_of(captions: Sequence[str], what: str) -> str | None:
    """'Two.' where most captions say so, 'One.' where most speak of one and none of more."""
    singles = set(COUNTED[what].split())
    several = {f for s in singles for f in numbers(s)[1:]}
    more = several if what == "dogs" else several | (people() - singles)
    said = [words(c) for c in captions]
    for number, answer in NUMBERS.items():
        if 2 * sum(number in w and bool(several & {*w}) for w in said) > len(said):
            return answer
    one = sum(bool(singles & {*w}) for w in said)
    return "One." if 2 * one > len(said) and not any(more & {*w} for w in said) else None
