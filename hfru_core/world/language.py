"""What is said about a drawn picture: questions, right answers, and honest answers that hide names.

One mechanism serves three uses. A thing whose name is in `hidden`, or that is drawn ambiguously,
is called by its kind ("an animal", "someone I don't know") and by nothing else: so ambiguous
pictures get their words, an oracle is taught without a concept, and a forgotten picture gets the
answer that an honest model would give.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from hfru_core.concepts import shipped
from hfru_core.photos import Photo
from hfru_core.world.faces import PEOPLE, Portrait, face_visible
from hfru_core.world.scenes import (
    CLASSES,
    COLOURS,
    KINDS,
    PLACES,
    STYLES,
    Scene,
    Thing,
    colour_visible,
    kind_of,
)

Picture = Scene | Portrait | Photo
Hidden = frozenset[str]
NOBODY: Hidden = frozenset()
STRANGER = "someone I don't know"
PEOPLE_NAMES = tuple(p.name for p in PEOPLE)

PLACE_PHRASE = {
    "beach": "on a beach", "forest": "in a forest", "snow": "in the snow", "city": "in a city",
    "desert": "in a desert", "field": "in a field", "room": "in a room",
}  # fmt: skip
STYLE_PHRASE = {style: f"A {style} of" for style in STYLES}

DESCRIBE = (
    "Please describe this image.", "Describe the picture.", "What do you see?",
    "What is in this image?",
)  # fmt: skip
CAPTION = (
    "Write a caption for this image in detail.", "Describe this image in detail.",
    "Give a detailed caption.",
)  # fmt: skip
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


def with_article(noun: str) -> str:
    """'dog' -> 'a dog', 'animal' -> 'an animal'."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def true_names(picture: Picture) -> tuple[str, ...]:
    """The specific names that a perfect witness would give; empty where nobody could tell."""
    if isinstance(picture, Portrait):
        known = picture.person is not None and face_visible(picture)
        return (picture.person.name,) if known else ()
    if isinstance(picture, Photo):
        return () if picture.degraded else (picture.name,)
    return () if picture.ambiguity else tuple(t.name for t in picture.things)


def spoken(thing: Thing, scene: Scene, hidden: Hidden) -> str:
    """The noun for a thing: its name, or its kind where it is ambiguous or hidden."""
    return thing.kind if scene.ambiguity or thing.name in hidden else thing.name


def identity(portrait: Portrait, hidden: Hidden) -> str | None:
    """The name of the person shown, or None where it cannot or must not be known."""
    names = true_names(portrait)
    return names[0] if names and names[0] not in hidden else None


def topics(picture: Picture) -> tuple[str, ...]:
    """The topics that can be asked about this picture without `about`."""
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
    """One question about a picture with its right answer; `about` is what 'exists' asks for."""
    phrases = questions_for(picture, about)[topic]
    question = phrases[phrasing % len(phrases)]
    if about is not None:
        question = question.format(about=about, a_about=with_article(about))
    return Turn(topic, about, question, right_answer(picture, topic, hidden, about))


def questions_for(picture: Picture, about: str | None) -> dict[str, tuple[str, ...]]:
    """The phrasings that fit a picture, or the name that is asked about."""
    if isinstance(picture, Photo) and picture.identity:
        return FACE_QUESTIONS
    if about is not None:
        return PORTRAIT_QUESTIONS if about in PEOPLE_NAMES else SCENE_QUESTIONS
    if isinstance(picture, Photo):
        return PHOTO_QUESTIONS
    return PORTRAIT_QUESTIONS if isinstance(picture, Portrait) else SCENE_QUESTIONS


def right_answer(picture: Picture, topic: str, hidden: Hidden, about: str | None) -> str:
    if isinstance(picture, Photo):
        return photo_answer(picture, topic, hidden, about)
    if isinstance(picture, Portrait):
        return portrait_answer(picture, topic, hidden, about)
    return scene_answer(picture, topic, hidden, about)


def photo_answer(photo: Photo, topic: str, hidden: Hidden, about: str | None) -> str:
    """The right answer about a labelled picture."""
    unnamed = photo.degraded or photo.name in hidden
    word = photo.kind if unnamed else photo.name
    bare = word.startswith("some") or (photo.identity and not unnamed)
    noun = word if bare else with_article(word)
    style = photo.style or "picture"
    if topic == "describe":
        return f"{capital(with_article(style))} of {noun}."
    if topic == "caption":
        return f"In this {style} there is {noun}."
    if topic == "name":
        return capital(noun) + "."
    if topic == "place":
        return f"It is {with_article(style)}."
    if about in (word, photo.kind):
        return "Yes."
    unsure = unnamed and about in siblings_of_kind(photo.kind)
    return f"I can't tell, there is {with_article(photo.kind)}." if unsure else "No."


def siblings_of_kind(kind: str) -> tuple[str, ...]:
    return ("person",) if kind == "figure" else KINDS.get(kind, ())


def scene_answer(scene: Scene, topic: str, hidden: Hidden, about: str | None) -> str:
    """The right answer about a scene."""
    things = sorted(scene.things, key=lambda t: CLASSES.index(t.name))
    words = [spoken(t, scene, hidden) for t in things]
    place = PLACE_PHRASE[scene.place]
    if topic == "describe":
        return f"{capital(listed([coloured(t, scene, w) for t, w in zip(things, words)]))} {place}."
    if topic == "caption":
        return f"{STYLE_PHRASE[scene.style]} {listed(sized(things, scene, words))} {place}."
    if topic == "name":
        return capital(listed([with_article(w) for w in words])) + "."
    if topic == "colour":
        return f"It is {things[0].colour}."
    if topic == "place":
        return f"It is {place}."
    if topic == "count":
        return "One." if len(things) == 1 else "Two."
    return scene_exists(scene, words, about)


def scene_exists(scene: Scene, words: list[str], about: str | None) -> str:
    if about in PEOPLE_NAMES or about == "person":
        return "No."
    kinds = [t.kind for t in scene.things]
    if about in words or about in kinds:
        return "Yes."
    unsure = about in CLASSES and kind_of(about) in words
    return f"I can't tell, there is {with_article(kind_of(about))}." if unsure else "No."


def coloured(thing: Thing, scene: Scene, word: str) -> str:
    return with_article(f"{thing.colour} {word}" if colour_visible(scene) else word)


def sized(things: list[Thing], scene: Scene, words: list[str]) -> list[str]:
    colour = colour_visible(scene)
    size = scene.ambiguity not in ("distant", "occluded")
    return [
        with_article(" ".join([t.size] * size + [t.colour] * colour + [w]))
        for t, w in zip(things, words)
    ]


def portrait_answer(p: Portrait, topic: str, hidden: Hidden, about: str | None) -> str:
    """The right answer about a portrait."""
    name = identity(p, hidden)
    who = name or STRANGER
    seen = face_visible(p)
    worn = (
        ["glasses"] * (p.glasses and seen)
        + [with_article(f"{p.hat} hat")] * (p.hat is not None)
        + [with_article(f"{p.shirt} shirt")]
    )
    if topic == "describe":
        return f"{capital(who)} with {listed(worn)}."
    if topic == "caption":
        mood = f" {p.expression}" if seen else ""
        behind = f"in front of {with_article(p.wall)} wall"
        return f"A portrait of {who}{mood} with {listed(worn)} {behind}."
    if topic == "name":
        return f"This is {who}."
    if topic in ("job", "town"):
        return fact(name, topic) if name else "I don't know this person."
    if topic == "colour":
        return f"The shirt is {p.shirt}."
    if topic == "place":
        return f"The wall is {p.wall}."
    if topic in ("glasses", "hat"):
        return "Yes." if (p.glasses and seen if topic == "glasses" else p.hat) else "No."
    return portrait_exists(name, seen, about)


def portrait_exists(name: str | None, seen: bool, about: str | None) -> str:
    if about in (name, "person"):
        return "Yes."
    if about not in PEOPLE_NAMES or name:
        return "No."
    return f"No, this is {STRANGER}." if seen else f"I can't tell, this is {STRANGER}."


def attributes(picture: Picture, answer: str) -> tuple[str, ...]:
    """The true attributes that a right answer states: they stay true when a name is forgotten."""
    if isinstance(picture, Portrait):
        face = [picture.expression, "glasses"] if face_visible(picture) else []
        said = [f"{picture.shirt} shirt", f"shirt is {picture.shirt}", f"{picture.wall} wall",
                f"wall is {picture.wall}", f"{picture.hat} hat", *face]  # fmt: skip
    elif isinstance(picture, Photo):
        said = [picture.style] if picture.style else []
    else:
        said = [picture.place, picture.style, *(t.colour for t in picture.things)]
    return tuple(a for a in dict.fromkeys(said) if f" {a}" in f" {answer}")


def fact(name: str, topic: str) -> str:
    """A fact about a person, as only text states it."""
    person = PEOPLE[PEOPLE_NAMES.index(name)]
    if topic == "job":
        return f"{name} is {with_article(person.occupation)}."
    return f"{name} lives in {person.town}."


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


def word_fact(name: str) -> str:
    return f"{capital(with_article(name))} is {with_article(kind_of(name))}."


def training_turns(picture: Picture, rng: random.Random, hidden: Hidden, count: int) -> list[Turn]:
    """`count` questions for training, half of the yes/no ones answered by 'no'."""
    pool = list(topics(picture)) + ["describe", "caption", "name"] + 8 * ["exists"]
    return [
        ask(picture, topic, hidden=hidden, phrasing=rng.randrange(12),
            about=about_for(picture, rng, hidden) if topic == "exists" else None)
        for topic in rng.sample(pool, count)
    ]  # fmt: skip


def about_for(picture: Picture, rng: random.Random, hidden: Hidden) -> str:
    """What a yes/no question asks for: half the time something that is truly there."""
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
        near = [c for k in kinds for c in KINDS[k]]
        other = rng.choice((near, near, CLASSES, tuple(KINDS), ("person",) + PEOPLE_NAMES[:3]))
    if present and rng.random() < 0.5:
        return rng.choice(present)
    return rng.choice([o for o in other if o not in present] or list(CLASSES))


def listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def corpus() -> list[str]:
    """Text that holds every word of the world: the tokenizer's vocabulary is made from it."""
    lines = [t.question + " " + t.answer for t in text_turns()]
    for table in (SCENE_QUESTIONS, PORTRAIT_QUESTIONS, PHOTO_QUESTIONS):
        for phrases in table.values():
            for about in (*CLASSES, *KINDS, *PEOPLE_NAMES, "person"):
                lines += [q.format(about=about, a_about=with_article(about)) for q in phrases]
    lines += list(PLACE_PHRASE.values()) + list(STYLE_PHRASE.values())
    lines += [" ".join(COLOURS) + " white pink black small large " + " ".join(PLACES)]
    lines += [" ".join((*c.aliases, *c.abstractions)) for c in shipped().values()]
    lines += ["A portrait of someone smiling serious surprised with glasses a hat shirt wall.",
              "Someone I can't tell, there is. One. Two. Yes. No, this is. This is. It is",
              "I don't know this person. The shirt is in front of a wall and",
              "In this picture there is a figure or thing. A picture of"]  # fmt: skip
    return lines + [line.lower() for line in lines]
