"""Portraits of ten invented people, drawn by the program with exact ground truth."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from PIL import Image, ImageDraw

from hfru_core.world.clothes import draw_glasses, draw_hat, draw_shirt
from hfru_core.world.face_features import (
    AGES,
    BEARDED_HAIRS,
    BROW_SHAPES,
    EYE_RADII,
    EYE_RGB,
    FACE_WIDTHS,
    HAIR_RGB,
    HAIRS,
    MARKS,
    NOSES,
    SKIN_RGB,
    Features,
)
from hfru_core.world.hair import draw_facial_hair, draw_hair_back, draw_hair_front
from hfru_core.world.head import (
    draw_brow,
    draw_eye,
    draw_head,
    draw_lines_of_age,
    draw_mouth,
    draw_neck,
    draw_nose,
    draw_skin_mark,
)
from hfru_core.world.obscured import draw_backlit, draw_masked, draw_turned, pixelate
from hfru_core.world.pen import Pen, Pose

EXPRESSIONS = ("smiling", "serious", "surprised")
SHIRTS = ("red", "orange", "yellow", "green", "blue", "purple")
HATS = SHIRTS
WALLS = ("white", "gray", "green", "blue", "pink")
OBSCURED = ("turned", "masked", "backlit", "pixelated")

WALL_RGB = {
    "white": (244, 242, 238),
    "gray": (158, 162, 168),
    "green": (166, 208, 160),
    "blue": (146, 190, 232),
    "pink": (246, 178, 196),
}
SALIENT = ("skin", "hair", "hair_colour", "mark")


@dataclass(frozen=True)
class Person:
    """An invented person: what can be seen, and two facts that cannot."""

    name: str
    features: Features
    occupation: str
    town: str


@dataclass(frozen=True)
class Portrait:
    """One image of a person, or of a stranger where `person` is None."""

    person: Person | None
    features: Features
    expression: str
    glasses: bool
    hat: str | None
    shirt: str
    wall: str
    obscured: str | None
    seed: int


def _person(name: str, occupation: str, town: str, features: str) -> Person:
    """Build a person from the ten feature words in the order of `Features`."""
    return Person(name, Features(*features.split()), occupation, town)


PEOPLE: tuple[Person, ...] = (
    _person("Mara Velden", "baker", "Tarnwick",
            "pale oval round green arched small wavy red freckles young"),
    _person("Tobin Harrick", "fisher", "Osmere",
            "dark square narrow brown thick wide bald white beard old"),
    _person("Zuri Kalindo", "pilot", "Lindholt",
            "dark round almond hazel arched wide afro black none young"),
    _person("Oskar Grell", "carpenter", "Pellby",
            "light long round gray straight long quiff blonde moustache middle"),
    _person("Ilsa Torvane", "dentist", "Quarrow",
            "pale heart almond blue thin pointed braids blonde none young"),
    _person("Haru Tanobe", "gardener", "Dunmarsh",
            "tan oval narrow brown straight small spiky black scar young"),
    _person("Nilo Sorande", "violinist", "Elmstow",
            "brown long almond brown thick long long black goatee middle"),
    _person("Wilma Quist", "librarian", "Fennick",
            "light round round gray thin small buns white none old"),
    _person("Dario Fent", "tailor", "Varnholm",
            "tan square almond green thick pointed curly brown beard middle"),
    _person("Juno Pallick", "chemist", "Brackley",
            "brown heart round hazel straight pointed bob teal mole young"),
)  # fmt: skip
GENERIC = Features(*"tan oval almond brown straight small short gray none young".split())


def face_visible(portrait: Portrait) -> bool:
    """Say whether the image shows who it is."""
    return portrait.obscured is None


# --- sampling ---------------------------------------------------------------------------


def count_differences(one: Features, other: Features, names: Sequence[str] | None = None) -> int:
    """Count the features (all, or those in `names`) in which two faces differ."""
    names = names or [field.name for field in fields(Features)]
    return sum(getattr(one, name) != getattr(other, name) for name in names)


def _draw_features(rng: random.Random) -> Features:
    """Draw one face from the shared vocabulary; beards come with fitting hair styles."""
    hair = rng.choice(HAIRS)
    marks = MARKS if hair in BEARDED_HAIRS else MARKS[:4]
    return Features(
        skin=rng.choice(tuple(SKIN_RGB)),
        face=rng.choice(tuple(FACE_WIDTHS)),
        eyes=rng.choice(tuple(EYE_RADII)),
        eye_colour=rng.choice(tuple(EYE_RGB)),
        brows=rng.choice(tuple(BROW_SHAPES)),
        nose=rng.choice(NOSES),
        hair=hair,
        hair_colour=rng.choice(tuple(HAIR_RGB)),
        mark=rng.choice(marks),
        age=rng.choice(AGES),
    )


def sample_stranger(rng: random.Random) -> Features:
    """Draw a face that differs from everybody in 3 features, 2 of them easy to see."""
    while True:
        features = _draw_features(rng)
        if all(
            count_differences(features, person.features) >= 3
            and count_differences(features, person.features, SALIENT) >= 2
            for person in PEOPLE
        ):
            return features


def _pick_person(rng: random.Random, person: str | bool | None) -> Person | None:
    """Resolve the `person` argument of `sample_portrait`."""
    if person is False or (person is None and rng.random() < 0.25):
        return None
    if person is None or person is True:
        return rng.choice(PEOPLE)
    for known in PEOPLE:
        if known.name == person:
            return known
    names = ", ".join(known.name for known in PEOPLE)
    raise ValueError(f"Unknown person {person!r}: expected one of {names}.")


def _pick_obscured(rng: random.Random, obscured: str | bool | None) -> str | None:
    """Resolve the `obscured` argument of `sample_portrait`."""
    if obscured is False or (obscured is None and rng.random() >= 1 / 6):
        return None
    if obscured is None or obscured is True:
        return rng.choice(OBSCURED)
    if obscured not in OBSCURED:
        raise ValueError(f"Unknown reason {obscured!r}: expected one of {', '.join(OBSCURED)}.")
    return obscured


def sample_portrait(
    rng: random.Random, *, person: str | bool | None = None, obscured: str | bool | None = None
) -> Portrait:
    """Sample a portrait.

    `person`: a name, True (anybody of PEOPLE), False (a stranger), None (25 % strangers).
    `obscured`: a reason, True (any reason), False (never), None (one image in six).
    """
    who = _pick_person(rng, person)
    return Portrait(
        person=who,
        features=sample_stranger(rng) if who is None else who.features,
        expression=rng.choice(EXPRESSIONS),
        glasses=rng.random() < 0.25,
        hat=rng.choice(HATS) if rng.random() < 0.25 else None,
        shirt=rng.choice(SHIRTS),
        wall=rng.choice(WALLS),
        obscured=_pick_obscured(rng, obscured),
        seed=rng.getrandbits(31),
    )


# --- whole images ---------------------------------------------------------------------


def _pose(seed: int) -> Pose:
    rng = random.Random(seed)
    return Pose(
        x=50 + rng.uniform(-4, 4),
        y=50 + rng.uniform(-2, 2),
        scale=rng.uniform(1.0, 1.14),
        tilt=math.radians(rng.uniform(-6, 6)),
        turn=rng.uniform(-1.5, 1.5),
        gaze=rng.uniform(-0.8, 0.8),
        light=rng.choice((-1, 1)),
        gain=rng.uniform(0.92, 1.06),
    )


def _hide(portrait: Portrait) -> Portrait:
    """Remove from the portrait everything that an obscured image must not show."""
    return replace(portrait, person=None, features=GENERIC, expression="serious", glasses=False)


def _draw_wall(wall: str, size: int, pose: Pose, glow: float) -> Image.Image:
    """Soft light on a plain wall."""
    y, x = np.mgrid[0:16, 0:16] / 15
    light = 1.04 - 0.12 * y + 0.07 * pose.light * (x - 0.5)
    light = light + glow * np.exp(-((x - 0.5) ** 2 + (y - 0.42) ** 2) / 0.12)
    rgb = np.clip(np.array(WALL_RGB[wall]) * light[..., None], 0, 255).astype(np.uint8)
    return Image.fromarray(rgb).resize((size, size), Image.Resampling.BILINEAR)


def _draw_face(pen: Pen, portrait: Portrait, pose: Pose) -> None:
    """Everything inside the outline of the face."""
    features, x = portrait.features, pose.turn
    skin = SKIN_RGB[features.skin]
    draw_lines_of_age(pen, features.age, skin, x)
    draw_skin_mark(pen, features.mark, skin, x)
    draw_facial_hair(pen, features, x)
    for side in (-8, 8):
        draw_eye(pen, features, portrait.expression, x + side, pose.gaze)
    draw_nose(pen, features.nose, skin, x)
    draw_mouth(pen, portrait.expression, skin, x)


def _draw_person(head: Pen, body: Pen, portrait: Portrait, pose: Pose) -> None:
    """A person with a visible face."""
    features = portrait.features
    draw_hair_back(head, features)
    draw_neck(body, SKIN_RGB[features.skin])
    draw_shirt(body, portrait.shirt, pose.light)
    draw_head(head, features, pose)
    _draw_face(head, portrait, pose)
    draw_hair_front(head, features)
    for side in (-8, 8):
        draw_brow(head, features, portrait.expression, pose.turn + side)
    if portrait.glasses:
        draw_glasses(head, pose.turn, FACE_WIDTHS[features.face][1])


def _draw_hidden(head: Pen, body: Pen, portrait: Portrait, pose: Pose, reason: str) -> None:
    """A person turned away, masked or against the light."""
    draw = {"turned": draw_turned, "masked": draw_masked, "backlit": draw_backlit}
    if reason == "masked":
        draw_shirt(body, portrait.shirt, pose.light)
    draw[reason](head)
    if reason != "masked":
        draw_shirt(body, portrait.shirt, pose.light, collar=reason == "backlit")


def draw_portrait(portrait: Portrait, size: int = 128) -> Image.Image:
    """Draw the portrait as an RGB image of `size` x `size` pixels."""
    if portrait.obscured is not None:
        portrait = _hide(portrait)
    pose, big = _pose(portrait.seed), 2 * size
    image = _draw_wall(portrait.wall, big, pose, 0.4 if portrait.obscured == "backlit" else 0.06)
    draw = ImageDraw.Draw(image, "RGBA")
    x, y, scale = pose.x * big / 100, pose.y * big / 100, pose.scale * big / 100
    head, body = Pen(draw, x, y, scale, pose.tilt), Pen(draw, x, y - 2 * scale, scale)
    if portrait.obscured is None or portrait.obscured == "pixelated":
        _draw_person(head, body, portrait, pose)
    else:
        _draw_hidden(head, body, portrait, pose, portrait.obscured)
    if portrait.obscured == "pixelated":
        pixelate(image, head)
    if portrait.hat is not None:
        draw_hat(head, portrait.hat, pose.light)
    return image.reduce(2).point([min(255, round(v * pose.gain)) for v in range(256)] * 3)
