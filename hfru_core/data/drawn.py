"""Keys that stand for drawn images: the same key is always the same image, on every machine.

A key reads `world:SEED/SPLIT/SUBJECT/INDEX`; SUBJECT is a class, a person's name, `scene`, `face`,
`ambiguous` or `stranger`. Since the key seeds the drawing, keys that differ in seed or split are
different images.
"""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import islice

from PIL import Image

from hfru_core.protocol.answers import PEOPLE_NAMES, Hidden, Picture, spoken, true_names
from hfru_core.protocol.answers import identity as identity_of
from hfru_core.types import Photo, UserError
from hfru_core.world.faces import Portrait, draw_portrait, face_visible, sample_portrait
from hfru_core.world.scenes import (
    CLASSES,
    Scene,
    boxes,
    colour_visible,
    draw_scene,
    sample_scene,
)

SIZE = 128
SUBJECTS = (*CLASSES, *PEOPLE_NAMES, "scene", "face", "ambiguous", "stranger")
FACE_BOX = (0.22, 0.12, 0.78, 0.78)


def key_of(seed: int, split: str, subject: str, index: int) -> str:
    """The key of one image."""
    return f"world:{seed}/{split}/{subject}/{index}"


def is_drawn(key: str) -> bool:
    """Whether a key stands for a drawn image."""
    return key.startswith("world:")


def picture_of(key: str) -> Scene | Portrait:
    """The ground truth behind a key."""
    parts = key.split("/")
    if len(parts) != 4 or parts[2] not in SUBJECTS:
        raise UserError(f"'{key}' is no drawn picture: expected world:SEED/SPLIT/SUBJECT/INDEX.")
    subject, rng = parts[2], random.Random(key)
    if subject in CLASSES:
        return sample_scene(rng, main=subject, ambiguity=False)
    if subject in PEOPLE_NAMES:
        return sample_portrait(rng, person=subject, obscured=False)
    if subject == "ambiguous":
        return sample_scene(rng, ambiguity=True)
    if subject == "stranger":
        return sample_portrait(rng, person=False)
    return sample_scene(rng) if subject == "scene" else sample_portrait(rng)


@lru_cache(maxsize=4096)
def draw(key: str, size: int = SIZE) -> Image.Image:
    """The image behind a key, RGB, `size` pixels square."""
    picture = picture_of(key)
    if isinstance(picture, Portrait):
        return draw_portrait(picture, size)
    return draw_scene(picture, size)


def unclear_keys(seed: int, split: str, word: str, kind: str, count: int) -> list[str]:
    """Keys of things that could be any of a kind ('animal'), or of faces that nobody knows."""
    if kind == "identity":
        return [key_of(seed, split, "stranger", i) for i in range(count)]
    keys = (key_of(seed, split, "ambiguous", i) for i in range(30 * count))
    return list(islice((k for k in keys if shows_kind(picture_of(k), word)), count))


def shows_kind(picture: Scene | Portrait, word: str) -> bool:
    """Whether the main thing of a scene is of a kind."""
    return isinstance(picture, Scene) and picture.things[0].kind == word


def keys_without(
    seed: int, split: str, subject: str, count: int, names: Hidden, start: int = 0
) -> list[str]:
    """`count` keys of one subject on whose images none of `names` is to be seen."""
    found: list[str] = []
    index = start
    while len(found) < count:
        key = key_of(seed, split, subject, index)
        if not names.intersection(true_names(picture_of(key))):
            found.append(key)
        index += 1
    return found


def labels(picture: Picture, hidden: Hidden) -> dict[str, str]:
    """What the tower is taught to see first: group -> value, without anything that is hidden."""
    if isinstance(picture, Portrait):
        return portrait_labels(picture, hidden)
    if isinstance(picture, Photo):
        unnamed = picture.degraded or picture.name in hidden
        word = picture.kind if unnamed else picture.name
        return {"main": word, "style": picture.style or "picture"}
    words = [spoken(t, picture, hidden) for t in picture.things]
    out = {"place": picture.place, "style": picture.style, "count": str(len(words))}
    out |= {"main": words[0], "face": "no"}
    if not picture.ambiguity:
        out["size"] = " ".join(t.size for t in picture.things)
    return out


def spots(picture: Picture, hidden: Hidden) -> list[tuple[str, str, tuple[float, ...]]]:
    """What is where: word, colour ("" where it cannot be seen), box in shares of the image."""
    if isinstance(picture, Portrait):
        return [(identity_of(picture, hidden) or "unknown", "", FACE_BOX)]
    if isinstance(picture, Photo):
        return []
    seen = colour_visible(picture)
    return [
        (spoken(t, picture, hidden), t.colour if seen else "", box)
        for t, box in zip(picture.things, boxes(picture))
    ]


def portrait_labels(p: Portrait, hidden: Hidden) -> dict[str, str]:
    out = {"face": "yes", "shirt": p.shirt, "wall": p.wall, "hat": p.hat or "none"}
    out["identity"] = identity_of(p, hidden) or "unknown"
    if face_visible(p):
        out |= {"glasses": str(p.glasses), "expression": p.expression}
    return out
