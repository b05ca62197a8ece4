"""Labelled photographs as a source: of folders, of parquet files, and of the Hub's data sets."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hfru_core.data import conversations, labels, photos, table
from hfru_core.data.samples import Amount, Entry
from hfru_core.data.source_base import Concepts, Files, pictured
from hfru_core.types import Concept, Photo, Role, Sample, Split, UserError

Options = tuple[tuple[str, str], ...]
LEAST: dict[Split, int] = {"train": 3, "eval": 1}  # photographs of what is to be forgotten


@dataclass(frozen=True)
class Photos(Files):
    """Labelled photographs: a folder with one subfolder a label, parquet files, a PACS file."""

    options: Options = ()

    photographs = True

    @property
    def text(self) -> str:
        return f"{self.kind}:{self.path}{self.told}"

    @property
    def public_name(self) -> str:
        files = photos.FILES.split(str(self.path))
        return f"{self.kind}:{','.join(Path(f).name for f in files)}{self.told}"

    @property
    def told(self) -> str:
        """The options as they are written."""
        return "#" * bool(self.options) + ",".join(f"{k}={v}" for k, v in self.options)

    def read(self) -> tuple[Photo, ...]:
        """The labelled images; those that are held out are for evaluation only."""
        with self.reading():
            return PHOTO_READERS[self.kind](self.path, self.options)

    def read_for(self, forget: Concepts, retain: Concepts, amount: Amount) -> tuple[Photo, ...]:
        """The images that a request may use: here all."""
        return self.read()

    def known_concepts(self) -> dict[str, Concept]:
        with self.reading():
            own = photos.own_concepts(self.path) if self.kind == "folder" else {}
            return labels.photo_concepts(self.read(), own)

    def samples(
        self, forget: Concepts, retain: Concepts, amount: Amount, seed: int
    ) -> list[Sample]:
        images = self.read_for(forget, retain, amount)

        def entries(role: Role, split: Split, concept: Concept, count: int) -> list[Entry]:
            """Photographs in an order of chance, held-out ones for evaluation."""
            held_out = split == "eval"
            found = [p for p in images if p.name == concept.name and p.held_out == held_out]
            if role == "forget" and len(found) < LEAST[split]:
                raise self.too_few(concept, split, len(found))
            random.Random(f"{seed}/{concept.id}/{split}").shuffle(found)
            return [Entry(p.key, p, concept) for p in found[:count]]

        samples = pictured(forget, retain, amount, entries)
        there = {s.split for s in samples if s.role == "retain"}
        lacking = [s for s in LEAST if amount.of("retain", s) and s not in there]
        if lacking:
            raise self.too_few(retain[0], lacking[0], 0)
        return samples

    def too_few(self, concept: Concept, split: Split, count: int) -> UserError:
        return UserError(
            f"{self.text}: {count} pictures of {concept.name} for {split}, at least "
            f"{LEAST[split]} are needed: a concept needs pictures to learn from and others to "
            "be judged on. Give 4 or more (10 or more is sensible)."
        )

    def text_samples(self, concepts: Concepts) -> tuple[Sample, ...]:
        return ()


@dataclass(frozen=True)
class HubPhotos(Photos):
    """A data set of the Hub, of which a request fetches what it needs."""

    @property
    def public_name(self) -> str:
        return self.text

    def read(self) -> tuple[Photo, ...]:
        return self.fetched(None)

    def fetched(self, need: dict[str, int] | None) -> tuple[Photo, ...]:
        """So many images of each name, or all."""
        from hfru_core.data import hub_dataset  # Its library takes a third of a second to import.

        wanted = None if need is None else tuple(sorted(need.items()))
        with self.reading():
            return hub_dataset.read(str(self.path), self.options, wanted)

    def read_for(self, forget: Concepts, retain: Concepts, amount: Amount) -> tuple[Photo, ...]:
        """Enough images of each name for both splits, a tenth of them to judge on."""
        need: dict[str, int] = {}
        roles: tuple[tuple[Role, Concepts], ...] = (("forget", forget), ("retain", retain))
        for role, group in roles:
            judged = dict(amount.shared(group, role, "eval"))
            for concept, count in amount.shared(group, role, "train"):
                if count or judged[concept]:
                    need[concept.name] = max(10 * judged[concept], count * 10 // 9) + LEAST["train"]
        return self.fetched(need)

    def known_concepts(self) -> dict[str, Concept]:
        from hfru_core.data import hub_dataset

        with self.reading():
            told = map(table.synonyms, hub_dataset.labels(str(self.path), self.options))
            return labels.label_concepts({labels.plain_name(t[0]): t for t in told}, {})


PHOTO_READERS: dict[str, Callable[[Path, Options], tuple[Photo, ...]]] = {
    "folder": photos.read_folder,
    "parquet": photos.read_tables,
    "json": photos.read_conversations,
    "pacs": photos.read_pacs,
}
OPTIONS = {
    "folder": (), "parquet": table.OPTIONS, "json": conversations.OPTIONS,
    "pacs": ("held_out",), "hub": table.OPTIONS,
}  # fmt: skip


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
