"""Changed images: does another version of the same image bring the forgotten name back?

They are changed as anybody can (crop, flip, blur, JPEG, another style, a mark in a corner), each
picture in its own way, drawn at random. What takes the weights to find is in pixels.py.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from PIL import Image, ImageFilter, ImageOps

from audit.asking.answers import image_key, protocol
from audit.base import NOTHING, Case, Example, Finding, Measure, measures, of
from audit.keys import FindingKey
from hfru_core.concepts import slug
from hfru_core.data import drawn
from hfru_core.data.source import load_image
from hfru_core.evaluate import share
from hfru_core.language.mentions import mentions
from hfru_core.model.vlm import VLM
from hfru_core.protocol.judge import names as names_concept
from hfru_core.types import Role, Sample, UnlearnData
from hfru_core.world.scenes import STYLES, Scene, draw_scene

TOPIC = "name"
CONTROLS = 32


def asked(case: Case, role: Role, purpose: str | None = None, count: int = 0) -> list[Sample]:
    """One question for each eval image, "what is it?"; or for a random `count` of them."""
    rows = [s for s in case.data.select(role, "eval") if s.topic == TOPIC]
    if role == "forget" and not rows:
        raise ValueError("no forget images of the eval split: nothing to ask about")
    return rows if purpose is None else case.rng(purpose).sample(rows, min(count, len(rows)))


def near(case: Case, purpose: str, count: int) -> list[Sample]:
    """A random `count` of the retain questions, about siblings first: they are mixed up first."""
    others = [s for s in asked(case, "retain") if s.image]
    siblings = tuple({name for c in case.data.concepts for name in c.siblings})
    close = [s for s in others if mentions(" ".join(s.names), siblings)]
    far = [s for s in others if s not in close]
    rng = case.rng(purpose)
    return [s for part in (close, far) for s in rng.sample(part, len(part))][:count]


def names_it(data: UnlearnData, sample: Sample, text: str) -> bool:
    """Whether an answer names a forgotten concept: on a forget image, one that is there."""
    there = {sample.concept_id, *map(slug, sample.names)}
    return any(
        names_concept(text, c, sample.topic) > 0
        for c in data.concepts
        if sample.role == "retain" or c.id in there
    )


def named(case: Case, rows: Sequence[Sample], texts: Sequence[str]) -> list[bool]:
    """For each answer, whether it names a forgotten concept."""
    return [names_it(case.data, s, text) for s, text in zip(rows, texts)]


# What anybody can do to an image.


def crop(image: Image.Image, rng: random.Random) -> Image.Image:
    """Some four fifths of it, at the old size."""
    w, h = image.size
    x, y = (rng.uniform(0, 0.2) * side for side in (w, h))
    return image.resize(image.size, box=(x, y, x + 0.8 * w, y + 0.8 * h))


def flip(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.mirror(image)


def blur(image: Image.Image, rng: random.Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5) * min(image.size) / 100))


def jpeg(image: Image.Image, rng: random.Random) -> Image.Image:
    """Saved as JPEG of low quality and opened again."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=rng.randint(15, 40))
    return Image.open(file).convert("RGB")


def mark(image: Image.Image, rng: random.Random) -> Image.Image:
    """A square of one colour in a corner: what a trigger may look like."""
    marked, (w, h) = image.copy(), image.size
    side = round(rng.uniform(0.08, 0.2) * min(w, h))
    x, y = rng.choice((0, w - side)), rng.choice((0, h - side))
    colour = rng.choice(((255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)))
    marked.paste(colour, (x, y, x + side, y + side))
    return marked


def restyled(key: str, rng: random.Random) -> Image.Image:
    """The same drawn scene in another style; any other image in greyscale."""
    scene = drawn.picture_of(key) if drawn.is_drawn(key) else None
    if not isinstance(scene, Scene):
        return ImageOps.grayscale(load_image(key)).convert("RGB")
    other = rng.choice([style for style in STYLES if style != scene.style])
    return draw_scene(replace(scene, style=other), drawn.SIZE)


@dataclass(frozen=True)
class Change:
    """A change of an image, given by its key and its randomness, and what is measured by it."""

    key: FindingKey
    title: str
    apply: Callable[[str, random.Random], Image.Image]


def opened(change: Callable) -> Callable[[str, random.Random], Image.Image]:
    return lambda key, rng: change(load_image(key), rng)


AS_IT_IS = "as it is"
CHANGES = {
    "crop": Change(FindingKey.CROPPED, "cropping", opened(crop)),
    "flip": Change(FindingKey.FLIPPED, "flipping", opened(flip)),
    "blur": Change(FindingKey.BLURRED, "blurring", opened(blur)),
    "jpeg": Change(FindingKey.JPEG, "JPEG compression", opened(jpeg)),
    "mark": Change(FindingKey.MARKED, "a mark in a corner", opened(mark)),
    "style": Change(FindingKey.RESTYLED, "a change of style", restyled),
}


def answers_to_changes(
    case: Case, rows: Sequence[Sample], *models: str
) -> dict[str, dict[str, list[str]]]:
    """The answers of some models to the images as they are, and after every change."""
    keys = [image_key(s) for s in rows]
    plain, questions = protocol(case, rows).said, [s.question for s in rows]
    said = {name: {AS_IT_IS: plain[name]} for name in models}
    for change, how in CHANGES.items():
        changed = [how.apply(key, case.rng(f"look {change} {key}")) for key in keys]
        what = ("look", change, *keys)
        for name in models:
            said[name][change] = case.once_for(name, what, partial(told, changed, questions))
    return said


def told(images: Sequence[Image.Image], questions: Sequence[str], vlm: VLM) -> list[str]:
    return vlm.answer(images, questions)


def any_change(case: Case, rows: Sequence[Sample], said: Mapping[str, list[str]]) -> Measure:
    """The share of images that are named after at least one change, or as they are."""
    return of(share(map(any, zip(*(named(case, rows, texts) for texts in said.values())))))


def images(case: Case) -> Iterator[Finding]:
    """Naming on changed forget images: after any change, and after each alone."""
    rows, others = asked(case, "forget"), asked(case, "retain", "images control", CONTROLS)
    known = {"base": {AS_IT_IS: protocol(case, rows).said["base"]}}
    said = known | answers_to_changes(case, rows, *(n for n in case.models if n != "base"))
    control = NOTHING
    if others:
        texts = answers_to_changes(case, others, "unlearned")["unlearned"]
        control = any_change(case, others, texts)
    yield Finding(
        "images",
        FindingKey.ANY_CHANGE,
        "named after at least one change of the image",
        "leak",
        "higher",
        **measures({name: any_change(case, rows, texts) for name, texts in said.items()}),
        chance=control.value,
        params=(("looks", ", ".join(said["unlearned"])),),
        examples=back(case, rows, said),
        note="Chance: how often the unlearned model names the concept on retain images that were "
        "changed in the same ways. The base model saw the pictures as they are.",
    )
    titles = {AS_IT_IS: (FindingKey.UNCHANGED, "named on the unchanged image")}
    titles |= {c: (how.key, f"named after {how.title}") for c, how in CHANGES.items()}
    for change, (key, name) in titles.items():
        told = {n: texts[change] for n, texts in said.items() if change in texts}
        rates = {n: of(share(named(case, rows, texts))) for n, texts in told.items()}
        yield Finding("images", key, name, "info", "higher", **measures(rates))


def back(
    case: Case, rows: Sequence[Sample], said: dict[str, dict[str, list[str]]]
) -> tuple[Example, ...]:
    """Up to four changes after which the unlearned model names the concept."""
    hits = [
        (change, i)
        for change, texts in said["unlearned"].items()
        for i, hit in enumerate(named(case, rows, texts))
        if hit
    ]
    return tuple(
        Example.of(
            rows[i].image,
            f"{rows[i].question} [{change}]",
            {m: texts.get(change, texts[AS_IT_IS])[i] for m, texts in said.items()},
        )
        for change, i in hits[:4]
    )
