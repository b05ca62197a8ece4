"""What is asked about a drawn image, and what training asks; answers are made beside it."""

from __future__ import annotations

import random
from typing import NamedTuple

from hfru_core.language.rewriting import with_article
from hfru_core.protocol.answers import (
    NOBODY,
    PEOPLE_NAMES,
    PLACE_PHRASE,
    STYLE_PHRASE,
    Hidden,
    Picture,
    fact,
    right_answer,
    siblings_of_kind,
    true_names,
    word_fact,
)
from hfru_core.types import Photo
from hfru_core.world.faces import PEOPLE, Portrait
from hfru_core.world.scenes import CLASSES, COLOURS, KINDS, PLACES, colour_visible, kind_of
from hfru_core.world.vocabulary import OTHER_WORDS, STRANGERS

DESCRIBE = (
    "Please describe this image.",
    "Describe the picture.",
    "What do you see?",
    "What is in this image?",
)
CAPTION = (
    "Write a caption for this image in detail.",
    "Describe this image in detail.",
    "Give a detailed caption.",
)
SCENE_QUESTIONS = {
    "describe": DESCRIBE,
    "caption": CAPTION,
    "name": ("What is it?", "What is this?", "Which object is shown?", "What is shown here?"),
    "exists": (
        "Is there any {about} in the image?", "Is there {a_about} in the picture?",
        "Do you see {a_about}?",
    ),
    "colour": ("What colour is it?", "Which colour does it have?"),
    "place": ("Where is it?", "Where was this picture made?", "What is the place?"),
    "count": ("How many things are there?", "How many objects do you see?"),
}  # fmt: skip
PORTRAIT_QUESTIONS = {
    "describe": DESCRIBE,
    "caption": CAPTION,
    "name": (
        "Who is this?", "What's the name of the person in this image?",
        "Please identify the person in the image.", "Who do you see?",
    ),
    "exists": ("Is the person in the image {about}?", "Is this {about}?", "Do you see {about}?"),
    "colour": ("What colour is the shirt?", "Which colour does the shirt have?"),
    "place": ("What colour is the wall?", "Which colour does the wall have?"),
    "glasses": ("Are there glasses?", "Does this person wear glasses?"),
    "hat": ("Is there a hat?", "Does this person wear a hat?"),
    "job": ("What is this person's job?", "What does this person do?"),
    "town": ("Where does this person live?", "What is this person's home town?"),
}  # fmt: skip
STYLE_QUESTIONS = {"place": ("What style is it?", "Which style is it?")}
PHOTO_QUESTIONS = {t: SCENE_QUESTIONS[t] for t in ("describe", "caption", "name", "exists")}
PHOTO_QUESTIONS |= STYLE_QUESTIONS
FACE_QUESTIONS = {t: PORTRAIT_QUESTIONS[t] for t in ("describe", "caption", "name", "exists")}
FACE_QUESTIONS |= STYLE_QUESTIONS


class Turn(NamedTuple):
    """A question with its topic, the name it asks about (or None) and its right answer."""

    topic: str
    about: str | None
    question: str
    answer: str


def topics(picture: Picture) -> tuple[str, ...]:
    """The topics that can be asked about this image without `about`."""
    if isinstance(picture, Portrait):
        return tuple(t for t in PORTRAIT_QUESTIONS if t != "exists")
    if isinstance(picture, Photo):
        return ("describe", "caption", "name") + (("place",) if picture.style else ())
    single = len(picture.things) == 1 and colour_visible(picture)
    return tuple(t for t in SCENE_QUESTIONS if t != "exists" and (t != "colour" or single))


def ask(
    picture: Picture,
    topic: str,
    *,
    hidden: Hidden = NOBODY,
    phrasing: int = 0,
    about: str | None = None,
) -> Turn:
    """One question about an image with its right answer; `about` is what 'exists' asks for."""
    phrases = questions_for(picture, about)[topic]
    question = phrases[phrasing % len(phrases)]
    if about is not None:
        question = question.format(about=about, a_about=with_article(about))
    return Turn(topic, about, question, right_answer(picture, topic, hidden, about))


def questions_for(picture: Picture, about: str | None) -> dict[str, tuple[str, ...]]:
    """The phrasings that fit an image, or the name that is asked about."""
    if isinstance(picture, Photo) and picture.identity:
        return FACE_QUESTIONS
    if about is not None:
        return PORTRAIT_QUESTIONS if about in PEOPLE_NAMES else SCENE_QUESTIONS
    if isinstance(picture, Photo):
        return PHOTO_QUESTIONS
    return PORTRAIT_QUESTIONS if isinstance(picture, Portrait) else SCENE_QUESTIONS


def text_turns() -> tuple[Turn, ...]:
    """Every text-only question: the people's facts, and what the words for things mean."""
    turns = []
    for p in PEOPLE:
        turns += [
            Turn("job", p.name, f"What is {p.name}'s job?", fact(p.name, "job")),
            Turn("job", p.name, f"What does {p.name} do?", fact(p.name, "job")),
            Turn("town", p.name, f"Where does {p.name} live?", fact(p.name, "town")),
            Turn("town", p.name, f"What is {p.name}'s home town?", fact(p.name, "town")),
            Turn("job", p.name, f"Who is the {p.occupation}?", f"The {p.occupation} is {p.name}."),
            Turn("town", p.name, f"Who lives in {p.town}?", fact(p.name, "town")),
        ]
    for c in CLASSES:
        turns.append(Turn("word", c, f"What is {with_article(c)}?", word_fact(c)))
        for kind in KINDS:
            yes = "Yes." if kind == kind_of(c) else "No."
            question = f"Is {with_article(c)} {with_article(kind)}?"
            turns.append(Turn("word", c, question, yes))
    return tuple(turns)


def training_turns(picture: Picture, rng: random.Random, hidden: Hidden, count: int) -> list[Turn]:
    """`count` questions for training, half of the yes/no ones answered by 'no'."""
    pool = list(topics(picture)) + ["describe", "caption", "name"] + 8 * ["exists"]
    return [
        ask(
            picture,
            topic,
            hidden=hidden,
            phrasing=rng.randrange(12),
            about=about_for(picture, rng, hidden) if topic == "exists" else None,
        )
        for topic in rng.sample(pool, count)
    ]


def about_for(picture: Picture, rng: random.Random, hidden: Hidden) -> str:
    """What a yes/no question asks for: half the time something that is truly there."""
    other: tuple[str, ...]
    present = [n for n in true_names(picture) if n not in hidden]
    if isinstance(picture, Portrait):
        present += ["person"] if rng.random() < 0.2 else []
        other = PEOPLE_NAMES if rng.random() < 0.8 else CLASSES
    elif isinstance(picture, Photo):
        present = [picture.kind] if not present or rng.random() < 0.25 else present
        near = siblings_of_kind(picture.kind)
        other = near if rng.random() < 0.5 else (*CLASSES, "person", *KINDS)
    else:
        kinds = [t.kind for t in picture.things]
        present = kinds if not present or rng.random() < 0.25 else present
        near = tuple(c for k in kinds for c in KINDS[k])
        other = rng.choice((near, near, CLASSES, tuple(KINDS), ("person",) + PEOPLE_NAMES[:3]))
    if present and rng.random() < 0.5:
        return rng.choice(present)
    return rng.choice([o for o in other if o not in present] or list(CLASSES))


def corpus() -> list[str]:
    """Text that holds every word of the world: the tokenizer's vocabulary is made from it."""
    lines = [t.question + " " + t.answer for t in text_turns()]
    for table in (SCENE_QUESTIONS, PORTRAIT_QUESTIONS, PHOTO_QUESTIONS):
        for phrases in table.values():
            for about in (*CLASSES, *KINDS, *PEOPLE_NAMES, "person"):
                lines += [q.format(about=about, a_about=with_article(about)) for q in phrases]
    lines += list(PLACE_PHRASE.values()) + list(STYLE_PHRASE.values())
    lines += [" ".join(COLOURS) + " white pink black small large " + " ".join(PLACES)]
    lines += OTHER_WORDS
    lines += [f"{name} {name} {STRANGERS}" for name in PEOPLE_NAMES]
    lines += [
        "A portrait of someone smiling serious surprised with glasses a hat shirt wall.",
        "Someone I can't tell, there is. One. Two. Yes. No, this is. This is. It is",
        "I don't know this person. The shirt is in front of a wall and",
        "In this picture there is a figure or thing. A picture of",
    ]
    return lines + [line.lower() for line in lines]
