"""Drawn pictures to begin with, and the questions that fit them."""

from __future__ import annotations

from functools import lru_cache

from hfru_core.data import drawn as world
from hfru_core.language.rewriting import with_article
from hfru_core.protocol.answers import PEOPLE_NAMES
from hfru_core.protocol.questions import PORTRAIT_QUESTIONS, SCENE_QUESTIONS, STYLE_QUESTIONS
from hfru_core.studio.render import answers_html
from hfru_core.types import Concept
from hfru_core.world.faces import Portrait
from hfru_core.world.scenes import CLASSES

EXAMPLES = (
    "dog", "elephant", "Mara Velden", "cat", "horse", "Zuri Kalindo",
    "giraffe", "car", "Oskar Grell", "lighthouse", "guitar", "castle",
)  # fmt: skip
SCENE_TOPICS = ("name", "describe", "exists", "colour", "place")
PORTRAIT_TOPICS = ("name", "describe", "exists", "colour", "job")


@lru_cache(maxsize=64)
def example_key(subject: str) -> str:
    """A picture of one thing alone that no training used."""
    index = 0
    while True:
        key = world.key_of(0, "gallery", subject, index)
        picture = world.picture_of(key)
        if len(getattr(picture, "things", (1,))) == 1 and getattr(picture, "style", "") != "sketch":
            return key
        index += 1


def example_keys() -> list[str]:
    return [example_key(s) for s in EXAMPLES]


def example_for(concepts: tuple[Concept, ...]) -> str:
    """The picture to open with: one that shows what was forgotten."""
    known = [c.name for c in concepts if c.name in CLASSES or c.name in PEOPLE_NAMES]
    return example_key(known[0] if known else EXAMPLES[0])


def presets(key: str, concepts: tuple[Concept, ...]) -> list[str]:
    """Five questions that fit a picture, one of them after what was forgotten."""
    picture = world.picture_of(key) if world.is_drawn(key) else None
    portrait = isinstance(picture, Portrait)
    names = answers_html.present_names(key) or ()
    kind = "identity" if portrait else "object"
    about = [c.name for c in concepts if c.kind == kind] or list(names) or ["dog"]
    name = next((n for n in about if n in names), about[0])
    table = PORTRAIT_QUESTIONS if portrait else SCENE_QUESTIONS
    if picture is None:
        table = table | STYLE_QUESTIONS  # no model was taught the place of a photograph
    return [
        table[t][0].format(about=name, a_about=with_article(name))
        for t in (PORTRAIT_TOPICS if portrait else SCENE_TOPICS)
    ]
