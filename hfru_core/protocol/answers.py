"""The right answer about an image, and the honest one that hides names.

One mechanism serves three uses. A thing whose name is in `hidden`, or that is drawn ambiguously,
is called by its kind ("an animal", "someone I don't know") and by nothing else: so ambiguous
images get their words, an oracle is taught without a concept, and a forgotten image gets the
answer that an honest model would give.
"""

from __future__ import annotations

from hfru_core.language.rewriting import with_article
from hfru_core.types import Photo
from hfru_core.world.faces import PEOPLE, Portrait, face_visible
from hfru_core.world.scenes import CLASSES, KINDS, STYLES, Scene, Thing, colour_visible, kind_of

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


def true_names(picture: Picture) -> tuple[str, ...]:
    """The specific names that a perfect witness would give; empty where nobody could tell."""
    if isinstance(picture, Portrait):
        return (picture.person.name,) if picture.person and face_visible(picture) else ()
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


def right_answer(picture: Picture, topic: str, hidden: Hidden, about: str | None) -> str:
    if isinstance(picture, Photo):
        return photo_answer(picture, topic, hidden, about)
    if isinstance(picture, Portrait):
        return portrait_answer(picture, topic, hidden, about)
    return scene_answer(picture, topic, hidden, about)


def photo_answer(photo: Photo, topic: str, hidden: Hidden, about: str | None) -> str:
    """The right answer about a labelled image."""
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
    if about in CLASSES and kind_of(about) in words:
        return f"I can't tell, there is {with_article(kind_of(about))}."
    return "No."


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
        said = [
            f"{picture.shirt} shirt",
            f"shirt is {picture.shirt}",
            f"{picture.wall} wall",
            f"wall is {picture.wall}",
            f"{picture.hat} hat",
            *face,
        ]
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


def word_fact(name: str) -> str:
    return f"{capital(with_article(name))} is {with_article(kind_of(name))}."


def listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def capital(text: str) -> str:
    return text[0].upper() + text[1:]
