"""Concepts and a source of pictures -> `UnlearnData`: forget and retain, train and eval, disjoint.

Sources: `world` or `world:SEED` (drawn), `pacs:FILE.parquet`, `folder:DIR` (DIR/<label>/*.png|jpg),
`mllmu:DIR` and `clear:DIR` (`benchmarks.py`).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from hfru_core import concepts as words
from hfru_core.data import benchmarks
from hfru_core.data import drawn as world
from hfru_core.data.images import blurred, open_image, varied
from hfru_core.data.photos import own_concepts, photo_concepts, read_folder, read_parquet
from hfru_core.protocol.answers import PEOPLE_NAMES, Picture, attributes, true_names
from hfru_core.protocol.questions import ask, text_turns, topics
from hfru_core.types import Concept, Photo, Role, Sample, Split, UnlearnData, UserError
from hfru_core.world.scenes import CLASSES

LEAST = {"train": 3, "eval": 1}  # photographs of what is to be forgotten
BLURRED = "blur:"  # before a key: the picture without its details
VARIED = "varied:"  # before a number, a colon and a key: another look of the picture
PROTOCOL = ("describe", "caption", "name", "exists")


@dataclass(frozen=True)
class Amount:
    """How many pictures per role and split, shared evenly among the concepts of a role."""

    forget_train: int = 960
    retain_train: int = 800
    forget_eval: int = 64
    retain_eval: int = 64


@dataclass(frozen=True)
class Entry:
    """A picture to ask about: its key, its truth and the concept it stands for."""

    key: str
    picture: Picture
    concept: Concept


def known_concepts(source: str) -> dict[str, Concept]:
    """The concepts that a source has pictures of, by id."""
    if benchmarks.is_one(source):
        return benchmarks.known_concepts(source)
    kind, _, rest = source.partition(":")
    shipped = words.shipped()
    if kind == "world":
        world.world_seed(source)
        ids = (*CLASSES, *map(words.slug, PEOPLE_NAMES))
        return {i: shipped[i] for i in ids}
    photos = photos_of(kind, rest)
    own = own_concepts(Path(rest)) if kind == "folder" else {}
    return photo_concepts(photos, shipped | own)


def photos_of(kind: str, rest: str) -> tuple[Photo, ...]:
    readers = {"pacs": read_parquet, "folder": read_folder}
    if kind not in readers:
        raise UserError(
            f"Unknown source '{kind}'. Use world, world:SEED, pacs:FILE.parquet or folder:DIR, or "
            "a benchmark: mllmu:DIR, clear:DIR."
        )
    return readers[kind](Path(rest))


def public_name(source: str) -> str:
    """A source as a record may tell it: a file or folder by its name, without its path."""
    kind, _, rest = source.partition(":")
    return source if kind == "world" else f"{kind}:{Path(rest).name}"


def load_image(key: str) -> Image.Image:
    """The picture behind a sample's key, RGB."""
    if key.startswith(BLURRED):
        return blurred(load_image(key.removeprefix(BLURRED)))
    if key.startswith(VARIED):
        number, _, original = key.removeprefix(VARIED).partition(":")
        return varied(load_image(original), int(number))
    if key.startswith("world:"):
        return world.draw(key)
    if benchmarks.is_one(key):
        return benchmarks.load_image(key)
    if key.startswith("pacs:"):
        path, _, row = key[5:].rpartition("#")
        found = parquet_bytes(path)
        if not row.isdecimal() or int(row) >= len(found):
            raise UserError(f"'{path}' has {len(found)} pictures, and none with number '{row}'.")
        return open_image(found[int(row)])
    return open_image(Path(key.removeprefix("file:")))


@lru_cache(maxsize=2)
def parquet_bytes(path: str) -> list[bytes]:
    return [p.data for p in read_parquet(Path(path))]


def build(
    forget: tuple[Concept, ...],
    source: str = "world",
    *,
    retain: tuple[Concept, ...] = (),
    amount: Amount = Amount(),
    seed: int = 0,
) -> UnlearnData:
    """The data of one request; without `retain`, everything else that the source knows is kept."""
    known = known_concepts(source)
    if benchmarks.is_one(source):
        forget, retain, known = benchmarks.request(source, forget, retain)
    check_request(forget, retain, known, source)
    # By id: a record may hold older word lists than those known now.
    gone = {c.id for c in forget}
    kept = retain or tuple(c for c in known.values() if c.id not in gone)
    if benchmarks.is_one(source):
        samples = benchmarks.samples(source, forget, kept, vars(amount), seed)
    else:
        samples = pictured(source, forget, kept, amount, seed)
    if source.startswith("world"):
        samples += fact_samples(forget)
    digest = hashlib.sha256(repr(sorted((s.id, s.image, s.answer) for s in samples)).encode())
    return UnlearnData(forget, kept, tuple(samples), source, digest.hexdigest()[:16])


def pictured(
    source: str, forget: tuple[Concept, ...], kept: tuple[Concept, ...], amount: Amount, seed: int
) -> list[Sample]:
    """Questions about drawn pictures or photographs of each role and split."""
    gather = world_entries if source.startswith("world") else photo_entries
    samples: list[Sample] = []
    for role, group in (("forget", forget), ("retain", kept)):
        for split in ("train", "eval"):
            count = getattr(amount, f"{role}_{split}")
            entries = gather(source, group, role, split, count, forget, seed)
            for entry in entries:
                samples += samples_of(entry, role, split, forget)
    return samples


def check_request(
    forget: tuple[Concept, ...], retain: tuple[Concept, ...], known: dict[str, Concept], source: str
) -> None:
    if not forget:
        raise UserError("No concept was given to forget. " + words.choices(known))
    both = [c.name for c in forget if c in retain]
    if both:
        raise UserError(f"{', '.join(both)} cannot be forgotten and retained at once.")
    strangers = [c.name for c in (*forget, *retain) if c.id not in known]
    if strangers:
        raise UserError(
            f"{source} has no pictures of {', '.join(strangers)}. " + words.choices(known)
        )
    if len(forget) >= len(known):
        raise UserError("Everything was asked to be forgotten: leave at least one concept to keep.")


def world_entries(
    source: str,
    group: Iterable[Concept],
    role: Role,
    split: Split,
    count: int,
    forget: tuple[Concept, ...],
    seed: int,
) -> list[Entry]:
    """Fresh drawn pictures; a retain picture shows nothing that is to be forgotten."""
    group, drawn = tuple(group), world.world_seed(source)
    avoid = frozenset(c.name for c in forget) if role == "retain" else frozenset()
    out = []
    for i, concept in enumerate(group):
        share = count // len(group) + (i < count % len(group))
        for key in world.keys_without(drawn, f"{split}-{seed}", concept.name, share, avoid):
            out.append(Entry(key, world.picture_of(key), concept))
    return out


def photo_entries(
    source: str,
    group: Iterable[Concept],
    role: Role,
    split: Split,
    count: int,
    forget: tuple[Concept, ...],
    seed: int,
) -> list[Entry]:
    """Real pictures: those whose digest ends in 0 are for evaluation only, on every machine."""
    kind, _, rest = source.partition(":")
    photos, group = photos_of(kind, rest), tuple(group)
    out = []
    for i, concept in enumerate(group):
        share = count // len(group) + (i < count % len(group))
        mine = [p for p in photos if p.name == concept.name and p.held_out == (split == "eval")]
        if not mine or (role == "forget" and len(mine) < LEAST[split]):
            raise UserError(
                f"{source}: {len(mine)} pictures of {concept.name} for {split}, at least "
                f"{LEAST[split]} are needed: a concept needs pictures to learn from and others to "
                "be judged on. Give 4 or more (10 or more is sensible)."
            )
        random.Random(f"{seed}/{concept.id}/{split}").shuffle(mine)
        out += [Entry(p.key, p, concept) for p in mine[:share]]
    return out


def samples_of(entry: Entry, role: Role, split: Split, forget: tuple[Concept, ...]) -> list[Sample]:
    """Every question about one picture: the protocol's, and those about its attributes."""
    hidden = frozenset(c.name for c in forget)
    wanted = [*PROTOCOL, *(t for t in topics(entry.picture) if t in ("colour", "place"))]
    out = []
    for topic in wanted:
        about = entry.concept.name if topic == "exists" else None
        turn = ask(entry.picture, topic, about=about)
        safe = ask(entry.picture, topic, about=about, hidden=hidden)
        out.append(
            Sample(
                id=f"{entry.key}?{topic}",
                image=entry.key,
                question=turn.question,
                topic=topic,
                answer=turn.answer,
                safe_answer=safe.answer,
                concept_id=entry.concept.id,
                role=role,
                split=split,
                names=true_names(entry.picture),
                attributes=attributes(entry.picture, turn.answer),
            )
        )
    return out


def fact_samples(forget: tuple[Concept, ...]) -> list[Sample]:
    """Text-only questions: what is known in words must stay, about forgotten people too."""
    return [
        Sample(
            id=f"text?{t.question}",
            image=None,
            question=t.question,
            topic="fact",
            answer=t.answer,
            safe_answer=t.answer,
            concept_id=words.slug(t.about),
            role="retain",
            split="eval",
        )
        for t in text_turns()
        if t.topic in ("job", "town")
    ]
