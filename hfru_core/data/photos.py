"""Labelled images from a PACS parquet file or a folder: what is known about each, and its bytes.

PACS: Li et al., ICCV 2017, in the layout of the hub dataset flwrlabs/pacs. A folder has one
subfolder a label, DIR/<label>/*.png|jpg; DIR/<label>/concept.json, where it is there, says which
words name the concept. A folder with a single label borrows images of other things from
assets/retain, so that a person needs nothing but images of what is to be forgotten.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet
from PIL import Image

from hfru_core import concepts
from hfru_core.data.images import open_image
from hfru_core.data.parquet_file import check_declared
from hfru_core.paths import ASSETS
from hfru_core.types import Concept, Photo, UserError

PACS_LABELS = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
PACS_STYLES = {
    "art_painting": "painting", "cartoon": "cartoon", "photo": "photo", "sketch": "sketch",
}  # fmt: skip
RETAIN = ASSETS / "retain"
CONCEPT = "concept.json"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def is_held_out(data: bytes) -> bool:
    """One image in ten, by its digest: the same on every machine."""
    return hashlib.sha256(data).digest()[0] % 10 == 0


@lru_cache(maxsize=2)
def read_parquet(path: Path) -> tuple[Photo, ...]:
    """The images of a PACS file; raises `UserError` where it is none."""
    if not path.is_file():
        raise UserError(f"There is no file '{path}'. Give it as pacs:FILE.parquet.")
    try:
        check_declared(path, parquet.read_metadata(path))
        table = parquet.read_table(path, columns=["image", "domain", "label"])
        rows = table.to_pylist()
        return tuple(pacs_photo(path, number, row) for number, row in enumerate(rows))
    except (pyarrow.ArrowException, KeyError, TypeError, IndexError, OSError) as error:
        raise UserError(
            f"'{path}' is not a PACS file: the columns image {{bytes, path}}, domain and label "
            f"(0 to 6) were expected ({type(error).__name__}: {error})."
        ) from None


def pacs_photo(path: Path, number: int, row: dict) -> Photo:
    data, label = row["image"]["bytes"], row["label"]
    if label < 0:
        raise IndexError(f"label {label}")
    name = PACS_LABELS[label]
    style = PACS_STYLES[row["domain"]]
    return Photo(f"pacs:{path}#{number}", name, kind_word(name), style, data, is_held_out(data))


@lru_cache(maxsize=2)
def read_folder(path: Path) -> tuple[Photo, ...]:
    """The images of DIR/<label>/*.png|jpg; raises `UserError` where there are none."""
    if not path.is_dir():
        raise UserError(f"There is no folder '{path}'. Give it as folder:DIR.")
    labels = labelled(path)
    if not labels:
        raise UserError(
            f"'{path}' has no pictures: expected DIR/<label>/*.png or .jpg, one folder a concept."
        )
    if len(labels) == 1:
        labels = labelled(RETAIN) | labels
    own = own_concepts(path)
    return tuple(p for name, files in labels.items() for p in folder_photos(name, files, own))


def labelled(path: Path) -> dict[str, list[Path]]:
    """The image files of every label, by the label as concepts are named."""
    found: dict[str, list[Path]] = {}
    for file in sorted(path.glob("*/*")):
        if file.suffix.lower() in SUFFIXES and file.is_file():
            found.setdefault(plain_name(file.parent.name), []).append(file)
    return found


def folder_photos(name: str, files: list[Path], own: dict[str, Concept]) -> list[Photo]:
    """The images of one label: a tenth, and at least one of several, for evaluation only.

    Which ones depends on their digests alone: the same on every machine.
    """
    concept = own.get(concepts.slug(name))
    kind = concept.abstractions[0] if concept else kind_word(name)
    name = concept.name if concept else name
    ranked = sorted((hashlib.sha256(f.read_bytes()).hexdigest(), f) for f in files)
    aside = max(1, len(files) // 10) if len(files) > 1 else 0
    return [
        Photo(
            f"file:{f}",
            name,
            kind,
            None,
            f.read_bytes(),
            i < aside,
            identity=concept is not None and concept.kind == "identity",
        )
        for i, (_, f) in enumerate(ranked)
    ]


def own_concepts(path: Path) -> dict[str, Concept]:
    """The concepts that a folder's labels describe themselves, by id."""
    found = {}
    for file in sorted(path.glob(f"*/{CONCEPT}")):
        concept = concepts.load(file)
        if concept.id != concepts.slug(file.parent.name):
            raise UserError(
                f"'{file}' describes '{concept.id}', but stands in the folder of "
                f"'{file.parent.name}': id and folder must have the same name."
            )
        found[concept.id] = concept
    return found


def load_image(key: str) -> Image.Image:
    """The image behind `pacs:FILE#ROW`, `file:PATH` or a bare path, RGB."""
    if not key.startswith("pacs:"):
        return open_image(Path(key.removeprefix("file:")))
    path, _, row = key.removeprefix("pacs:").rpartition("#")
    rows = read_parquet(Path(path))
    if not row.isdecimal() or int(row) >= len(rows):
        raise UserError(f"'{path}' has {len(rows)} pictures, and none with number '{row}'.")
    return open_image(rows[int(row)].data)


def plain_name(label: str) -> str:
    """A label as concepts are named: 'Dog' -> 'dog', 'mara_velden' -> 'Mara Velden'."""
    concept = concepts.shipped().get(concepts.slug(label))
    return concept.name if concept else concepts.slug(label).replace("_", " ")


def kind_word(name: str) -> str:
    """The first abstraction of a shipped concept, or 'thing'."""
    concept = concepts.shipped().get(concepts.slug(name))
    return concept.abstractions[0] if concept else "thing"


def photo_concepts(photos: tuple[Photo, ...], shipped: dict[str, Concept]) -> dict[str, Concept]:
    """The concepts that the labels stand for; unknown labels get a plain concept of their own."""
    names = sorted({p.name for p in photos})
    return {
        concepts.slug(n): shipped.get(concepts.slug(n)) or plain_concept(n, names) for n in names
    }


def plain_concept(name: str, names: list[str]) -> Concept:
    return Concept(
        id=concepts.slug(name),
        name=name,
        kind="object",
        aliases=(name,),
        abstractions=("thing", "object", "something"),
        siblings=tuple(n for n in names if n != name),
        source="folder label",
    )
