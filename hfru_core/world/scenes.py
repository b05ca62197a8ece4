"""Images drawn by the program, with exact ground truth, for the controlled world.

A scene says what is in the image; `draw_scene` turns it into pixels. An ambiguous image is
drawn from a template of the kind only, so the class is absent from its pixels.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from hfru_core.world.ambiguous import COVERS, TEMPLATES
from hfru_core.world.animals import ANIMALS
from hfru_core.world.canvas import Canvas, Pose, paint
from hfru_core.world.objects import OBJECTS
from hfru_core.world.places import BACKDROPS
from hfru_core.world.shapes import RGB, Layer
from hfru_core.world.styles import FINISHES

KINDS: dict[str, tuple[str, ...]] = {
    "animal": ("dog", "cat", "horse", "elephant", "giraffe"),
    "instrument": ("guitar", "drum", "piano"),
    "vehicle": ("car", "boat", "bicycle"),
    "building": ("house", "lighthouse", "castle"),
    "plant": ("tree", "cactus"),
}
CLASSES: tuple[str, ...] = tuple(name for names in KINDS.values() for name in names)
COLOURS: dict[str, RGB] = {
    "red": (222, 38, 44),
    "orange": (255, 138, 20),
    "yellow": (252, 218, 40),
    "green": (40, 158, 66),
    "blue": (40, 98, 222),
    "purple": (146, 58, 190),
    "brown": (122, 72, 34),
    "gray": (132, 133, 138),
}
PLACES = ("beach", "forest", "snow", "city", "desert", "field", "room")
SIZES = ("small", "large")
STYLES = ("photo", "painting", "cartoon", "sketch")
AMBIGUITIES = ("blurred", "distant", "occluded", "silhouette")

PAIR_RATE = 1 / 3
AMBIGUOUS_RATE = 1 / 5
SCALE = {"small": 0.50, "large": 0.80}  # side of the unit box, as a share of the image
PAIR_SCALE = {"small": 0.44, "large": 0.58}
SOFTNESS = {"blurred": 0.08, "distant": 0.06, "occluded": 0.0, "silhouette": 0.045}  # of the box
WHOLE = Pose(0.5, 1.0, 1.0, mirror=False, turn=0.0, stretch=1.0, bend=0.0)

DRAWINGS: dict[str, Callable[[], list[Layer]]] = ANIMALS | OBJECTS


@dataclass(frozen=True)
class Thing:
    """One object of a scene."""

    name: str
    kind: str
    colour: str
    size: str


@dataclass(frozen=True)
class Scene:
    """What one image shows; `seed` drives position, pose and background details."""

    things: tuple[Thing, ...]
    place: str
    style: str
    ambiguity: str | None
    seed: int


def kind_of(name: str) -> str:
    """The kind a class belongs to."""
    for kind, names in KINDS.items():
        if name in names:
            return kind
    raise ValueError(f"unknown class {name!r}: expected one of {CLASSES}")


def colour_visible(scene: Scene) -> bool:
    """Whether the object's colour can be read from the image."""
    return scene.style != "sketch" and scene.ambiguity != "silhouette"


def _thing(rng: random.Random, names: tuple[str, ...], colours: list[str]) -> Thing:
    name = rng.choice(names)
    return Thing(name, kind_of(name), rng.choice(colours), rng.choice(SIZES))


def sample_scene(
    rng: random.Random,
    *,
    main: str | None = None,
    second: str | bool | None = None,
    ambiguity: str | bool | None = None,
    style: str | None = None,
) -> Scene:
    """Draw a scene; `None` means at the world's rates, `True`/`False` force or forbid."""
    if second and ambiguity:
        raise ValueError("an ambiguous scene has one object: drop either second or ambiguity")
    roll = rng.random()
    pair = bool(second) or (second is None and not ambiguity and roll < PAIR_RATE)
    vague = bool(ambiguity) or (ambiguity is None and not pair and roll >= 1 - AMBIGUOUS_RATE)
    first = _thing(rng, (main,) if main else CLASSES, list(COLOURS))
    things: tuple[Thing, ...] = (first,)
    if pair:
        others = tuple(name for name in CLASSES if name != first.name)
        other = _thing(
            rng,
            (second,) if isinstance(second, str) else others,
            [colour for colour in COLOURS if colour != first.colour],
        )
        if first.size == "large":  # two large ones would hide each other
            other = Thing(other.name, other.kind, other.colour, "small")
        things = (first, other)
    how = ambiguity if isinstance(ambiguity, str) else rng.choice(AMBIGUITIES)
    return Scene(
        things=things,
        place=rng.choice(PLACES),
        style=style or rng.choice(STYLES),
        ambiguity=how if vague else None,
        seed=rng.getrandbits(32),
    )


# From a scene to pixels.


@cache
def _class_layers(name: str) -> tuple[Layer, ...]:
    return tuple(DRAWINGS[name]())


@cache
def _kind_layers(kind: str) -> tuple[Layer, ...]:
    return tuple(TEMPLATES[kind]())


def _background(scene: Scene, side: int, rng: random.Random) -> Canvas:
    """The place in the scene's style, at drawing size."""
    drop = BACKDROPS[scene.place](rng)
    lift = rng.uniform(-8, 8)
    rows = (np.arange(side) + 0.5) / side
    sky = rows / drop.horizon
    ground = (rows - drop.horizon) / (1 - drop.horizon)
    ramp = np.where(
        (rows < drop.horizon)[:, None],
        np.array(drop.sky[0]) + np.outer(sky, np.subtract(drop.sky[1], drop.sky[0])),
        np.array(drop.ground[0]) + np.outer(ground, np.subtract(drop.ground[1], drop.ground[0])),
    )
    if scene.style == "sketch":
        ramp = np.repeat(152 + (ramp @ (0.299, 0.587, 0.114) * 0.39)[:, None], 3, axis=1)
    column = np.clip(ramp + lift, 0, 255).astype(np.uint8)
    image = Image.fromarray(column[:, None, :]).resize((side, side), Image.Resampling.NEAREST)
    canvas = Canvas(image, Image.new("L", (side, side)), scene.style)
    lines: tuple[RGB, float] | None = None
    if scene.style == "cartoon":
        lines = ((128, 128, 138), 0.009)
    if scene.style == "sketch":
        lines = ((156, 156, 158), 0.010)
    mirror = rng.random() < 0.5
    paint(canvas, drop.layers, WHOLE._replace(mirror=mirror), (0, 0, 0), lines, rng, solid=False)
    if scene.style == "photo":
        soft = image.reduce(2).resize((side, side), Image.Resampling.BILINEAR)  # out of focus
        return canvas._replace(image=soft)
    return canvas


def _pose(scene: Scene, index: int, rng: random.Random) -> Pose:
    """Where one thing stands: alone near the middle, or one of two side by side."""
    size, shift = scene.things[index].size, rng.uniform(-1, 1)
    foot = rng.uniform(0.88, 0.94)
    x = 0.5
    side = SCALE[size] * rng.uniform(0.94, 1.04)
    if len(scene.things) == 2:
        side = PAIR_SCALE[size] * rng.uniform(0.95, 1.03)
        left = (scene.seed + index) % 2 == 0
        x = side / 2 + 0.01 if left else 0.99 - side / 2
        x += (0.04 if left else -0.04) * (1 + shift) * (1.6 if size == "small" else 0.2)
    elif scene.ambiguity == "distant":
        side, foot = rng.uniform(0.13, 0.16), rng.uniform(0.76, 0.82)
        x += 0.25 * shift
    else:
        x += shift * (0.22 if size == "small" else 0.07)
        foot -= 0.06 * rng.random() if size == "small" else 0.0
    return Pose(
        x,
        foot,
        side,
        mirror=rng.random() < 0.5,
        turn=rng.uniform(-0.07, 0.07),
        stretch=rng.uniform(0.95, 1.06),
        bend=rng.uniform(-0.03, 0.03),
    )


def _shadow(canvas: Canvas, pose: Pose) -> None:
    """Darken the ground under the object."""
    side = canvas.image.width
    rx, ry = round(0.46 * pose.side * side), round(0.075 * pose.side * side)
    edge = 0 if canvas.style == "cartoon" else round(0.03 * side)
    mask = Image.new("L", (2 * (rx + edge), 2 * (ry + edge)))
    ImageDraw.Draw(mask).ellipse((edge, edge, edge + 2 * rx, edge + 2 * ry), fill=105)
    if edge:
        mask = mask.filter(ImageFilter.BoxBlur(edge / 2))
    ink = (120, 120, 120) if canvas.style == "sketch" else (52, 48, 62)
    corner = (round(pose.x * side) - rx - edge, round(pose.y * side) - ry - edge)
    canvas.image.paste(ink, corner, mask)


def _object_lines(style: str) -> tuple[RGB, float] | None:
    if style == "cartoon":
        return ((30, 26, 36), 0.024)
    return ((74, 74, 78), 0.014) if style == "sketch" else None


def _draw_thing(canvas: Canvas, scene: Scene, index: int, rng: random.Random) -> Canvas:
    """Add one plainly visible object."""
    thing, pose = scene.things[index], _pose(scene, index, rng)
    _shadow(canvas, pose)
    lines = _object_lines(scene.style)
    paint(canvas, _class_layers(thing.name), pose, COLOURS[thing.colour], lines, rng, solid=True)
    return canvas


def _draw_vague(canvas: Canvas, scene: Scene, rng: random.Random) -> Canvas:
    """Add the ambiguous object, from its kind's template only."""
    thing, pose = scene.things[0], _pose(scene, 0, rng)
    side = canvas.image.width
    colour = COLOURS[thing.colour]
    layers = _kind_layers(thing.kind)
    if scene.ambiguity == "silhouette":
        layers = tuple(Layer("ink", layer.shapes) for layer in layers)
        canvas = _backlight(canvas, pose)
    elif scene.style == "sketch":  # a smudge needs more grey than a line drawing
        layers = tuple(Layer("spot" if t == "body" else t, s) for t, s in layers)
    if scene.ambiguity != "silhouette":
        _shadow(canvas, pose)
    lines = _object_lines(scene.style) if scene.ambiguity == "occluded" else None
    over = Canvas(canvas.image.copy(), canvas.height, canvas.style)
    paint(over, layers, pose, colour, lines, rng, solid=True)
    soft = SOFTNESS[scene.ambiguity or ""] * pose.side * side
    if soft:
        blur = ImageFilter.GaussianBlur(soft)
        mask = over.height.point(lambda v: 255 if v else 0).filter(blur)
        image = Image.composite(
            over.image.filter(blur), canvas.image, mask.point(lambda v: min(255, v * 2))
        )
        return Canvas(image, Image.new("L", (side, side)), canvas.style)
    hide = _pose_of_cover(pose, rng)
    front, *details = COVERS[rng.randrange(3)](0.5, rng)
    paint(over, [front], hide, colour, lines, rng, solid=True)
    thin = ((140, 140, 142), 0.008) if scene.style == "sketch" else None
    paint(over, details, hide, colour, thin, rng, solid=True)
    return over


def _pose_of_cover(pose: Pose, rng: random.Random) -> Pose:
    shift = rng.choice((-1, 1)) * rng.uniform(0.20, 0.26) * pose.side
    return Pose(
        pose.x + shift,
        min(pose.y + 0.04, 1.0),
        pose.side * 1.3,
        mirror=False,
        turn=0.0,
        stretch=1.0,
        bend=0.0,
    )


def _backlight(canvas: Canvas, pose: Pose) -> Canvas:
    """A bright glow behind a silhouette."""
    side = canvas.image.width
    mask = Image.new("L", (side // 4, side // 4))
    r, y = 0.7 * pose.side, pose.y - 0.5 * pose.side
    box = [(pose.x - r) * side / 4, (y - r) * side / 4, (pose.x + r) * side / 4, (y + r) * side / 4]
    ImageDraw.Draw(mask).ellipse(box, fill=170)
    mask = mask.filter(ImageFilter.GaussianBlur(0.03 * side)).resize((side, side))
    glow = (252, 252, 252) if canvas.style == "sketch" else (255, 250, 236)
    canvas.image.paste(glow, (0, 0), mask)
    return canvas


def boxes(scene: Scene) -> list[tuple[float, float, float, float]]:
    """Where each thing stands: left, top, right, bottom as shares of the image, nearly exact."""
    rng = random.Random(f"{scene.seed} things")
    poses = {i: _pose(scene, i, rng) for i in reversed(range(len(scene.things)))}
    found = []
    for i in range(len(scene.things)):
        x, y, half = poses[i].x, poses[i].y, poses[i].side / 2
        found.append((x - half, y - 2 * half, x + half, y))
    return found


def draw_scene(scene: Scene, size: int = 128) -> Image.Image:
    """Draw a scene as an RGB image, `size` pixels square; same scene, same pixels."""
    canvas = _background(scene, 2 * size, random.Random(f"{scene.seed} place"))
    rng = random.Random(f"{scene.seed} things")
    if scene.ambiguity:
        canvas = _draw_vague(canvas, scene, rng)
    else:
        for index in reversed(range(len(scene.things))):
            canvas = _draw_thing(canvas, scene, index, rng)
    pixels = np.array(canvas.image.reduce(2), dtype=np.float32)
    done = FINISHES[scene.style](pixels, canvas, rng)
    return Image.fromarray(np.clip(done, 0, 255, out=done).astype(np.uint8))
