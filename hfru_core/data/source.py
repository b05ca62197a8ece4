"""Where images come from: one `Source` for each way to write it, parsed once by `parse_source`.

`world` or `world:SEED` (drawn), `folder:DIR` (DIR/<label>/*.png|jpg), `parquet:FILE,FILE`,
`pacs:FILE`, and the benchmarks `mllmu:DIR` and `clear:DIR`. Options follow a `#`, as in
`parquet:a.parquet#label=breed`. What a source does is asked of the value, never of its text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from PIL import Image

from hfru_core.concepts import shipped, slug
from hfru_core.data import benchmarks, drawn, photos, table
from hfru_core.data.benchmark_parquet import AGAIN, PAIRS, people
from hfru_core.data.images import blurred, varied
from hfru_core.data.samples import Amount, Entry, samples_of, word_meanings, world_facts
from hfru_core.files import one_line
from hfru_core.protocol.answers import PEOPLE_NAMES
from hfru_core.types import Concept, Photo, Role, Sample, Split, UserError
from hfru_core.world.scenes import CLASSES

Concepts = tuple[Concept, ...]
Options = tuple[tuple[str, str], ...]
Request = tuple[Concepts, Concepts, dict[str, Concept]]  # forget, retain, all that is known
LEAST: dict[Split, int] = {"train": 3, "eval": 1}  # photographs of what is to be forgotten
BLURRED = "blur:"  # before a key: the image without its details
VARIED = "varied:"  # before a number, a colon and a key: an augmented copy of the image


class Source(Protocol):
    """Images, and what is known about them."""

    @property
    def text(self) -> str:
        """The source as people write it."""

    @property
    def public_name(self) -> str:
        """The text for records: a file or folder by its name, without its path."""

    @property
    def distils(self) -> bool:
        """Whether the answers to train on must come from the model itself."""

    def known_concepts(self) -> dict[str, Concept]:
        """The concepts that there are images of, by id; raises where the files are wrong."""

    def request(self, forget: Concepts, retain: Concepts) -> Request:
        """What to forget and to retain, spelled out, and the concepts known to this request."""
        return forget, retain, self.known_concepts()

    def samples(
        self, forget: Concepts, retain: Concepts, amount: Amount, seed: int
    ) -> list[Sample]:
        """The questions about so many images of each role and split, and the text-only facts."""

    def text_samples(self, concepts: Concepts) -> tuple[Sample, ...]:
        """Text-only questions to train on, never evaluated on; none where nothing is known."""

    def unclear_keys(self, split: str, word: str, kind: str, count: int) -> list[str]:
        """Keys of images that show no more than a kind ('animal'); none where there are none."""

    def fresh(self, seed: int) -> Source:
        """Images that no session trained on: drawn by another seed, or the held-out photographs."""


@dataclass(frozen=True)
class World(Source):
    """Images drawn by the program; its answers are what the bundled model was taught."""

    number: int | None = None

    distils = False

    @property
    def seed(self) -> int:
        return self.number or 0

    @property
    def text(self) -> str:
        return "world" if self.number is None else f"world:{self.number}"

    @property
    def public_name(self) -> str:
        return self.text

    def known_concepts(self) -> dict[str, Concept]:
        return {i: shipped()[i] for i in (*CLASSES, *map(slug, PEOPLE_NAMES))}

    def samples(
        self, forget: Concepts, retain: Concepts, amount: Amount, seed: int
    ) -> list[Sample]:
        def entries(role: Role, split: Split, concept: Concept, count: int) -> list[Entry]:
            """Fresh drawn images; a retain image shows nothing that is to be forgotten."""
            hidden = frozenset(c.name for c in forget) if role == "retain" else frozenset()
            part = f"{split}-{seed}"
            keys = drawn.keys_without(self.seed, part, concept.name, count, hidden)
            return [Entry(key, drawn.picture_of(key), concept) for key in keys]

        return pictured(forget, retain, amount, entries) + world_facts()

    def text_samples(self, concepts: Concepts) -> tuple[Sample, ...]:
        return word_meanings()

    def unclear_keys(self, split: str, word: str, kind: str, count: int) -> list[str]:
        return drawn.unclear_keys(self.seed, split, word, kind, count)

    def fresh(self, seed: int) -> World:
        return World(seed)


DRAWN = World()


@dataclass(frozen=True)
class Files(Source):
    """What photographs and benchmarks have in common: files of somebody's own."""

    kind: str
    path: Path

    distils = True

    @property
    def text(self) -> str:
        return f"{self.kind}:{self.path}"

    @property
    def public_name(self) -> str:
        return f"{self.kind}:{self.path.name}"

    def reading(self) -> AbstractContextManager[None]:
        """Whatever fails in here is told as a fault of the files."""
        return one_line(f"'{self.public_name}' could not be read", AGAIN)

    def unclear_keys(self, split: str, word: str, kind: str, count: int) -> list[str]:
        return []

    def fresh(self, seed: int) -> Self:
        return self


@dataclass(frozen=True)
class Photos(Files):
    """Labelled photographs: a folder with one subfolder a label, parquet files, a PACS file."""

    options: Options = ()

    @property
    def text(self) -> str:
        return f"{self.kind}:{self.path}{self.told}"

    @property
    def public_name(self) -> str:
        files = photos.PARQUET.split(str(self.path))
        return f"{self.kind}:{','.join(Path(f).name for f in files)}{self.told}"

    @property
    def told(self) -> str:
        """The options as they are written."""
        return "#" * bool(self.options) + ",".join(f"{k}={v}" for k, v in self.options)

    def read(self) -> tuple[Photo, ...]:
        """The labelled images; those that are held out are for evaluation only."""
        with self.reading():
            return PHOTO_READERS[self.kind](self.path, self.options)

    def known_concepts(self) -> dict[str, Concept]:
        with self.reading():
            own = photos.own_concepts(self.path) if self.kind == "folder" else {}
            return photos.photo_concepts(self.read(), own)

    def samples(
        self, forget: Concepts, retain: Concepts, amount: Amount, seed: int
    ) -> list[Sample]:
        def entries(role: Role, split: Split, concept: Concept, count: int) -> list[Entry]:
            """Photographs in an order of chance, held-out ones for evaluation."""
            held_out = split == "eval"
            found = [p for p in self.read() if p.name == concept.name and p.held_out == held_out]
            if not found or (role == "forget" and len(found) < LEAST[split]):
                raise self.too_few(concept, split, len(found))
            random.Random(f"{seed}/{concept.id}/{split}").shuffle(found)
            return [Entry(p.key, p, concept) for p in found[:count]]

        return pictured(forget, retain, amount, entries)

    def too_few(self, concept: Concept, split: Split, count: int) -> UserError:
        return UserError(
            f"{self.text}: {count} pictures of {concept.name} for {split}, at least "
            f"{LEAST[split]} are needed: a concept needs pictures to learn from and others to "
            "be judged on. Give 4 or more (10 or more is sensible)."
        )

    def text_samples(self, concepts: Concepts) -> tuple[Sample, ...]:
        return ()


@dataclass(frozen=True)
class Benchmark(Files):
    """MLLMU-Bench or CLEAR: people of a forget and a retain split, by name or all of them."""

    def people(self) -> benchmarks.People:
        with self.reading():
            return people(self.kind, self.path)

    def known_concepts(self) -> dict[str, Concept]:
        with self.reading():
            return benchmarks.known_concepts(self.kind, self.people())

    def request(self, forget: Concepts, retain: Concepts) -> Request:
        return benchmarks.request(self.people(), self.known_concepts(), forget, retain)

    def samples(
        self, forget: Concepts, retain: Concepts, amount: Amount, seed: int
    ) -> list[Sample]:
        with self.reading():
            benchmarks.check_people(self.text, self.people(), forget, retain)
            return benchmarks.samples(self.people(), forget, retain, amount, seed)

    def text_samples(self, concepts: Concepts) -> tuple[Sample, ...]:
        with self.reading():
            return benchmarks.text_examples(self.people(), concepts)


PHOTO_READERS: dict[str, Callable[[Path, Options], tuple[Photo, ...]]] = {
    "folder": photos.read_folder,
    "parquet": photos.read_tables,
    "pacs": photos.read_pacs,
}
OPTIONS = {"folder": (), "parquet": table.OPTIONS, "pacs": ("held_out",)}


def parse_source(text: str) -> Source:
    """'world:7' -> World(7), 'folder:DIR' -> Photos; raises where no source is written so.

    Files are read when something is asked of the source.
    """
    kind, _, rest = text.partition(":")
    if kind == "world":
        if not (rest or "0").isdecimal():
            raise UserError(f"'{text}': expected world or world:SEED, a whole number, as world:7.")
        return World(int(rest) if rest else None)
    if kind in PHOTO_READERS:
        path, options = options_in(kind, rest)
        return Photos(kind, Path(path), options)
    if kind in PAIRS:
        return Benchmark(kind, Path(rest))
    raise UserError(
        f"Unknown source '{kind}'. Use world, world:SEED, pacs:FILE.parquet or folder:DIR, "
        "parquet:FILE.parquet, or a benchmark: mllmu:DIR, clear:DIR."
    )


def options_in(kind: str, text: str) -> tuple[str, Options]:
    """'FILE#label=breed,held_out=a|b' -> FILE and the options; raises where one is unknown.

    A '#' belongs to the path unless an option follows it.
    """
    path, mark, told = text.rpartition("#")
    if not mark or not re.match(r"\w+=", told):
        return text, ()
    pairs = [part.partition("=") for part in re.split(r",(?=\w+=)", told)]
    options = tuple((name, value) for name, _, value in pairs)
    unknown = [name for name, value in options if name not in OPTIONS[kind] or not value]
    if unknown:
        known = ", ".join(f"{name}=..." for name in OPTIONS[kind]) or "no option"
        raise UserError(f"'{kind}:' takes {known} after '#', got '{told}'.")
    return path, options


def pictured(
    forget: Concepts,
    retain: Concepts,
    amount: Amount,
    entries: Callable[[Role, Split, Concept, int], Sequence[Entry]],
) -> list[Sample]:
    """Questions about the images of each role and split that `entries` finds for a concept."""
    samples: list[Sample] = []
    groups: tuple[tuple[Role, Concepts], ...] = (("forget", forget), ("retain", retain))
    splits: tuple[Split, ...] = ("train", "eval")
    for role, group in groups:
        for split in splits:
            for concept, count in amount.shared(group, role, split):
                for entry in entries(role, split, concept, count):
                    samples += samples_of(entry, role, split, forget)
    return samples


def load_image(key: str) -> Image.Image:
    """The image behind a sample's key, RGB; the key is text from any source, or a file's path."""
    kind, _, rest = key.partition(":")
    if key.startswith(BLURRED):
        return blurred(load_image(rest))
    if key.startswith(VARIED):
        number, _, original = rest.partition(":")
        return varied(load_image(original), int(number))
    if drawn.is_drawn(key):
        return drawn.draw(key)
    with one_line("A picture could not be read", AGAIN):
        return (benchmarks if kind in PAIRS else photos).load_image(key)
