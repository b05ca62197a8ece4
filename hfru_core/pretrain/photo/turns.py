"""Questions about a photograph with their right answers, and questions of text alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hfru_core.pretrain.photo import captions
from hfru_core.pretrain.photo.features import View
from hfru_core.pretrain.photo.names import Name, classes, known, of_kind, phrase
from hfru_core.pretrain.photo.pictures import Shot
from hfru_core.pretrain.photo.views import KIND
from hfru_core.protocol.questions import CAPTION, DESCRIBE, SCENE_QUESTIONS, STYLE_QUESTIONS, Turn

UNTOLD = "I can't tell."
NOBODY_KNOWN = "I don't know who this is."
NAME = (*SCENE_QUESTIONS["name"], "What is in the picture?", "What can you see here?")
EXISTS = (
    *SCENE_QUESTIONS["exists"], "Is there {a_about} in the image?", "Is there {a_about} here?",
    "Does the picture show {a_about}?", "Can you see {a_about}?",
)  # fmt: skip
COLOUR = (*SCENE_QUESTIONS["colour"], "What color is it?")
WHO = ("Who is this?", "Who do you see?", "What is this person's name?", "Is this someone famous?")
SPECIAL = ("What kind of {name} is it?", "What kind of {name} is this?", "Which {name} is it?")
BREED = ("Which breed is it?", "What breed is this {name}?")
BELIEVED = 0.1  # the least that the tower itself must give to a rare label
RARE = ("imagenet-sample", "imagen")  # sources with few pictures of a class
# Asked about more often where they are siblings of what is there.
USUAL = (
    "dog", "cat", "horse", "elephant", "giraffe", "bird", "fish", "cow", "sheep", "bear", "lion",
    "guitar", "piano", "violin", "drum", "trumpet", "car", "bus", "truck", "bicycle", "boat",
    "house", "castle", "church", "barn", "chair", "table", "apple", "banana", "orange",
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What may be said about one view; `name` is None where no more than the kind is seen."""

    name: Name | None
    kind: str | None
    style: str
    captions: tuple[str, ...] = ()
    colour: str | None = None


def facts(shot: Shot, view: View, logits: np.ndarray) -> Facts:
    """What a perfect witness says of a view, and an honest one of a picture hard to name."""
    kind = shot.name.kind if shot.name else None
    if view.shown is not None:
        return Facts(None, kind if view.shown == KIND else None, shot.style)
    name = shot.name
    if name and shot.source in RARE and not believed(logits, name):
        name = None
    return Facts(name, kind, shot.style, shot.captions, view.colour)


def believed(logits: np.ndarray, name: Name) -> bool:
    """Whether the tower's own classifier gives a label some probability."""
    share = np.exp(logits.astype(np.float32) - float(logits.max()))
    return float(share[called(name.name)].sum() / share.sum()) > BELIEVED


@lru_cache(maxsize=1024)
def called(name: str) -> np.ndarray:
    """Which of the tower's classes have this everyday name."""
    return np.array([c.name == name for c in classes()])


def turns(seen: Facts, rng: random.Random, count: int) -> list[Turn]:
    """`count` questions about one view, no two alike."""
    makers = captioned(seen) if seen.captions else labelled(seen)
    found: dict[str, Turn] = {}
    for _ in range(4 * count):
        turn = rng.choice(makers)(seen, rng)
        if turn and len(found) < count:
            found.setdefault(turn.question, turn)
    return list(found.values())


def labelled(seen: Facts) -> list:
    more = [coloured] * 3 if seen.colour else []
    special = [special_name] if seen.name and seen.name.special != seen.name.name else []
    people = [who] if seen.kind == "person" else []
    return [
        named,
        named,
        described,
        detailed,
        exists,
        exists,
        exists,
        styled,
        *more,
        *special,
        *people,
    ]


def captioned(seen: Facts) -> list:
    more = [coloured] * 2 if seen.colour else []
    people = [who] if "person" in captions.agreed(seen.captions) else []
    return [described, listed, listed, exists, exists, exists, subject, counted, *more, *people]


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def noun(seen: Facts) -> str | None:
    """The most that can be said: the name, the kind, or nothing."""
    return seen.name.name if seen.name else seen.kind


def named(seen: Facts, rng: random.Random) -> Turn:
    word = noun(seen)
    return Turn("name", None, rng.choice(NAME), sentence(phrase(word)) if word else UNTOLD)


def described(seen: Facts, rng: random.Random) -> Turn:
    question, word = rng.choice(DESCRIBE), noun(seen)
    if seen.captions:
        answer = rng.choice(captions.best(seen.captions) or (UNTOLD,))
    else:
        answer = sentence(f"a {seen.style} of {phrase(word)}") if word else UNTOLD
    return Turn("describe", None, question, answer)


def detailed(seen: Facts, rng: random.Random) -> Turn:
    word = noun(seen)
    answer = f"In this {seen.style} there is {phrase(word)}." if word else UNTOLD
    return Turn("caption", None, rng.choice(CAPTION), answer)


def listed(seen: Facts, rng: random.Random) -> Turn | None:
    """What the captions agree on, and no more: small models invent the rest of a free sentence."""
    some = captions.main(seen.captions)
    if not some:
        return None
    *first, last = map(phrase, some)
    told = f"{', '.join(first)} and {last}" if first else last
    return Turn("caption", None, rng.choice(CAPTION), f"In this {seen.style} there is {told}.")


def styled(seen: Facts, rng: random.Random) -> Turn:
    answer = f"It is a {seen.style}." if noun(seen) else UNTOLD
    return Turn("place", None, rng.choice(STYLE_QUESTIONS["place"]), answer)


def coloured(seen: Facts, rng: random.Random) -> Turn:
    return Turn("colour", None, rng.choice(COLOUR), f"It is {seen.colour}.")


def special_name(seen: Facts, rng: random.Random) -> Turn:
    assert seen.name
    asked = SPECIAL + (BREED if seen.name.name in ("dog", "cat") else ())
    question = rng.choice(asked).format(name=seen.name.name)
    return Turn("special", None, question, sentence(phrase(seen.name.special)))


def who(_: Facts, rng: random.Random) -> Turn:
    return Turn("who", None, rng.choice(WHO), NOBODY_KNOWN)


def subject(seen: Facts, rng: random.Random) -> Turn | None:
    """The main thing of a captioned picture: what most captions mention, people before others."""
    found = captions.counts(seen.captions)
    most = [t for t, n in found.items() if n * 2 > len(seen.captions)]
    if not most:
        return None
    word = "person" if "person" in most else max(most, key=found.__getitem__)
    return Turn("name", None, rng.choice(NAME), sentence(phrase(word)))


def counted(seen: Facts, rng: random.Random) -> Turn | None:
    what = rng.choice(tuple(captions.COUNTED))
    number = captions.number_of(seen.captions, what)
    return Turn("count", None, f"How many {what} are there?", number) if number else None


def exists(seen: Facts, rng: random.Random) -> Turn | None:
    """Half of them yes; half of the others about a sibling."""
    yes = rng.random() < 0.5
    about = (present if yes else absent)(seen, rng)
    if about is None:
        return None
    question = rng.choice(EXISTS).format(about=about, a_about=phrase(about))
    if not yes and seen.name is None and not seen.captions and may_be(about, seen.kind):
        return Turn("exists", about, question, unsure(seen.kind))
    return Turn("exists", about, question, "Yes." if yes else "No.")


def may_be(about: str, kind: str | None) -> bool:
    """Whether something may be there of which no more than the kind is seen."""
    return kind is None or about in of_kind().get(kind, ())


def unsure(kind: str | None) -> str:
    return f"I can't tell, there is {phrase(kind)}." if kind else UNTOLD


def present(seen: Facts, rng: random.Random) -> str | None:
    if seen.captions:
        return rng.choice(captions.agreed(seen.captions) or [None])
    if seen.name and rng.random() < 0.7:
        return seen.name.name
    return seen.kind


def absent(seen: Facts, rng: random.Random) -> str | None:
    """Something that is not there: half the time a sibling of what is."""
    if seen.captions:
        mentioned = captions.counts(seen.captions)
        some = captions.PEOPLE if "person" in mentioned else ()
        rest = [t.split()[0] for t in captions.THINGS]
        return rng.choice([t for t in rest if t not in mentioned and t not in some])
    siblings = [
        n for n in of_kind().get(seen.kind or "", ()) if not seen.name or n != seen.name.name
    ]
    if siblings and rng.random() < 0.5:
        return near(seen, siblings, rng)
    others = [k for k in of_kind() if k != seen.kind]
    return rng.choice(others if rng.random() < 0.3 else of_kind()[rng.choice(others)])


def near(seen: Facts, siblings: list[str], rng: random.Random) -> str:
    """A sibling: of PACS's animals and of everyday ones more often."""
    usual = [s for s in USUAL if s in siblings]
    return rng.choice(usual) if usual and rng.random() < 0.6 else rng.choice(siblings)


def text_turns() -> list[Turn]:
    """What the words mean."""
    found = []
    pairs = {(c.name, c.kind) for c in known()} | {(c.special, c.name) for c in known()}
    for word, general in sorted(p for p in pairs if p[0] != p[1]):
        what = phrase(word)
        kinds = sorted(k for k in of_kind() if k != general)
        other = phrase(random.Random(word).choice(kinds))
        found += [
            Turn("word", word, f"What is {what}?", sentence(f"{what} is {phrase(general)}")),
            Turn("word", word, f"Is {what} {phrase(general)}?", "Yes."),
            Turn("word", word, f"Is {what} {other}?", "No."),
        ]
    return found
