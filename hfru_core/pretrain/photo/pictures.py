"""Photographs to learn from: parquet files of labelled and captioned pictures, and of PACS.

Which pictures are kept to be judged on depends on their bytes alone; what looks the same as one of
them is not learned from either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

from hfru_core.data.authors import PACS_LABELS, PACS_STYLES
from hfru_core.data.collection import is_held_out
from hfru_core.data.images import open_image
from hfru_core.data.parquet_file import check_declared
from hfru_core.pretrain.photo.names import CLASSES, Name, known, number_of
from hfru_core.types import UserError

PACS_KINDS = {name: "animal" for name in PACS_LABELS} | {
    "guitar": "instrument", "house": "building", "person": "person",
}  # fmt: skip
RARE = "imagenet-sample"  # one picture a class: more of them are kept, or nothing could be said


@dataclass(frozen=True)
class Shot:
    """A picture's bytes and what is known about it."""

    data: bytes
    source: str
    name: Name | None
    style: str
    captions: tuple[str, ...]
    held_out: bool

    @property
    def number(self) -> int | None:
        """The tower's own class, where the picture is labelled so."""
        number = number_of()[self.name.wnid] if self.name and self.name.wnid else CLASSES
        return number if number < CLASSES else None


def read(files: Iterable[Path]) -> list[Shot]:
    """All pictures of the files; raises where one is neither kind of file."""
    return [shot for file in files for shot in read_file(file)]


def read_file(file: Path) -> list[Shot]:
    try:
        check_declared(file, parquet.read_metadata(file))
        rows = parquet.read_table(file).to_pylist()
        make = pacs_shot if rows and "domain" in rows[0] else photo_shot
        return [make(row) for row in rows]
    except (pyarrow.ArrowException, KeyError, TypeError, IndexError, OSError) as error:
        raise UserError(
            f"'{file}' cannot be learned from: expected a parquet file with the columns image "
            "{bytes}, source, wnid and captions, or of PACS with image, domain and label "
            f"({type(error).__name__}: {error})."
        ) from None


def photo_shot(row: dict) -> Shot:
    """A photograph with a class of WordNet, captions, or both."""
    data, wnid = row["image"]["bytes"], row["wnid"]
    name = known()[number_of()[wnid]] if wnid else None
    held = is_held_out(data) or (row["source"] == RARE and one_in_five(data))
    return Shot(data, row["source"], name, "photo", tuple(row["captions"] or ()), held)


def one_in_five(data: bytes) -> bool:
    return hashlib.sha256(data).digest()[1] % 5 == 0


def pacs_shot(row: dict) -> Shot:
    data, label = row["image"]["bytes"], PACS_LABELS[row["label"]]
    style = PACS_STYLES[row["domain"]]
    return Shot(data, "pacs", Name(label, label, PACS_KINDS[label]), style, (), is_held_out(data))


def split(shots: list[Shot]) -> tuple[list[Shot], list[Shot]]:
    """Pictures to learn from and pictures to be judged on; doubles only on the second side."""
    held = [s for s in shots if s.held_out]
    known = {looks(s.data) for s in held}
    return [s for s in shots if not s.held_out and looks(s.data) not in known], held


def looks(data: bytes) -> bytes:
    """A digest of what a picture looks like: where it gets brighter from left to right."""
    small = np.asarray(open_image(data).convert("L").resize((9, 8)), dtype=np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes()


def digest(file: Path) -> str:
    """SHA-256 of a file, for the log."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
