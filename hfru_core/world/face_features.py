"""What distinguishes one face from another: the words for it, with their colours and widths."""

from __future__ import annotations

from dataclasses import dataclass

SKIN_RGB = {
    "pale": (253, 226, 208),
    "light": (244, 200, 168),
    "tan": (220, 166, 118),
    "brown": (168, 110, 72),
    "dark": (108, 68, 48),
}
HAIR_RGB = {
    "black": (38, 34, 42),
    "brown": (104, 64, 38),
    "blonde": (236, 194, 92),
    "red": (206, 84, 34),
    "gray": (146, 148, 156),
    "white": (232, 231, 236),
    "teal": (28, 164, 166),
}
EYE_RGB = {
    "blue": (62, 128, 206),
    "green": (66, 146, 84),
    "brown": (104, 62, 30),
    "gray": (116, 128, 142),
    "hazel": (160, 112, 42),
}
FACE_WIDTHS = {  # half widths at forehead, cheek, jaw; chin height
    "round": (18.0, 20.0, 17.0, 20.5),
    "oval": (17.0, 18.2, 13.8, 23.0),
    "square": (18.0, 18.6, 17.6, 22.5),
    "long": (15.4, 16.4, 13.0, 25.5),
    "heart": (18.6, 18.2, 11.0, 23.5),
}
EYE_RADII = {"round": (3.9, 3.7), "almond": (4.5, 2.9), "narrow": (4.5, 1.9)}
BROW_SHAPES = {  # line width, height of the arch
    "thin": (1.2, 1.1),
    "thick": (2.7, 1.2),
    "arched": (1.7, 2.0),
    "straight": (1.8, 0.1),
}
NOSES = ("small", "long", "wide", "pointed")
HAIRS = (
    "bald", "spiky", "quiff", "curly", "afro", "wavy", "long", "braids", "buns", "bob",
)  # fmt: skip
FACIAL_HAIR = ("beard", "moustache", "goatee")
MARKS = ("none", "freckles", "mole", "scar", *FACIAL_HAIR)
BEARDED_HAIRS = ("bald", "spiky", "quiff", "curly", "afro", "long")
AGES = ("young", "middle", "old")


@dataclass(frozen=True)
class Features:
    """What stays the same in every image of one person."""

    skin: str
    face: str
    eyes: str
    eye_colour: str
    brows: str
    nose: str
    hair: str
    hair_colour: str
    mark: str
    age: str
