"""Where images come from: one `Source` for each way to write it, parsed once by `parse_source`.

`world` or `world:SEED` (drawn), `folder:DIR` (DIR/<label>/*.png|jpg), `parquet:FILE,FILE`,
`json:FILE`, `hub:OWNER/NAME`, `pacs:FILE`, and the benchmarks `mllmu:DIR`, `umu:DIR`, `clear:DIR`.
Options follow a `#`, as in `parquet:a.parquet#label=breed`. What a source does is asked of the
value, never of its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hfru_core.concepts import shipped, slug
from hfru_core.data import benchmarks, drawn, photos
from hfru_core.data.benchmark_parquet import AGAIN, PAIRS
from hfru_core.data.benchmark_people import people
from hfru_core.data.hub_place import place_of
from hfru_core.data.images import blurred, varied
from hfru_core.data.photo_source import PHOTO_READERS, HubPhotos, Photos, options_in
from hfru_core.data.samples import Amount, Entry, word_meanings, world_facts
from hfru_core.data.source_base import Concepts, Files, Request, Source, pictured
from hfru_core.files import one_line
from hfru_core.protocol.answers import PEOPLE_NAMES
from hfru_core.types import Concept, Role, Sample, Split, UserError
from hfru_core.world.scenes import CLASSES

BLURRED = "blur:"  # before a key: the image without its details
VARIED = "varied:"  # before a number, a colon and a key: an augmented copy of the image


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
class Benchmark(Files):
    """MLLMU-Bench, UMU-Bench or CLEAR: people of a forget and a retain split, by name or all."""

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
            found = benchmarks.samples(self.people(), forget, retain, amount, seed)
            return benchmarks.readable_only(self.public_name, found)

    def text_samples(self, concepts: Concepts) -> tuple[Sample, ...]:
        with self.reading():
            return benchmarks.text_examples(self.people(), concepts)


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
    if kind == "hub":
        path, options = options_in(kind, rest)
        place_of(path)
        return HubPhotos(kind, Path(path), options)
    if kind in PAIRS:
        return Benchmark(kind, Path(rest))
    raise UserError(
        f"Unknown source '{kind}'. Use world, world:SEED, pacs:FILE.parquet or folder:DIR, "
        "parquet:FILE.parquet, json:FILE.json, hub:OWNER/NAME, or a benchmark: mllmu:DIR, "
        "umu:DIR, clear:DIR."
    )


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
