"""Labelled images of a folder, of PACS or of any parquet file, as photographs with their names.

A folder has one subfolder a label, DIR/<label>/*.png|jpg; DIR/<label>/concept.json, where it is
there, says which words name the concept. Images of a single label borrow images of other things
from assets/retain, so that a person needs nothing but images of what is to be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import pyarrow
from PIL import Image

from hfru_core import concepts
from hfru_core.data import authors, conversations, image_tree, table
from hfru_core.data.authors import PACS_LABELS, PACS_STYLES
from hfru_core.data.collection import Labelled, Read, held_out_groups, is_held_out, readable
from hfru_core.data.images import open_image
from hfru_core.data.labels import kind_word, plain_name
from hfru_core.data.parquet_file import cell, rows
from hfru_core.paths import ASSETS
from hfru_core.types import Concept, Photo, UserError

Options = tuple[tuple[str, str], ...]
RETAIN = ASSETS / "retain"
CONCEPT = "concept.json"
ROW = re.compile(r"(?:pacs|parquet):(.+?)#(\d+)(?:\.(.+))?", re.DOTALL)
FILES = re.compile(r"(?<=\.parquet),|(?<=\.json),|(?<=\.jsonl),")  # between files


@lru_cache(maxsize=2)
def read_pacs(path: Path, options: Options = ()) -> tuple[Photo, ...]:
    """The images of a PACS file; raises `UserError` where it is none."""
    if not path.is_file():
        raise UserError(f"There is no file '{path}'. Give it as pacs:FILE.parquet.")
    try:
        return as_photos(readable(path.name, pacs_rows(path, dict(options).get("held_out"))), {})
    except (pyarrow.ArrowException, KeyError, TypeError, IndexError, OSError) as error:
        raise UserError(
            f"'{path}' is not a PACS file: the columns image {{bytes, path}}, domain and label "
            f"(0 to 6) were expected ({type(error).__name__}: {error})."
        ) from None


def pacs_rows(path: Path, held_out: str | None) -> Iterator[Labelled]:
    """The images with their styles; held out are some domains ('sketch'), or one image in ten."""
    domains = frozenset(held_out.split("|")) if held_out else frozenset()
    if strangers := ", ".join(sorted(domains - set(PACS_STYLES))):
        raise UserError(f"PACS has no domain {strangers}: held_out={'|'.join(PACS_STYLES)}.")
    for number, row in enumerate(rows(path, ["image", "domain", "label"])):
        data, label, domain = row["image"]["bytes"], row["label"], row["domain"]
        if label < 0:
            raise IndexError(f"label {label}")
        aside = domain in domains if domains else is_held_out(data)
        key, style = f"pacs:{path}#{number}", PACS_STYLES[domain]
        yield Labelled(key, PACS_LABELS[label], "eval" if aside else "train", style, data)


@lru_cache(maxsize=2)
def read_tables(path: Path, options: Options = ()) -> tuple[Photo, ...]:
    """The labelled images of parquet files; raises `UserError` where there are none."""
    files = [Path(p) for p in FILES.split(str(path))]
    return of_tables(", ".join(f.name for f in files), [(f, options) for f in files])


@lru_cache(maxsize=2)
def read_conversations(path: Path, options: Options = ()) -> tuple[Photo, ...]:
    """The pictures of instruction data; raises `UserError` where none has a label."""
    files = [Path(p) for p in FILES.split(str(path))]
    images = (i for file in files for i in conversations.labelled(file, dict(options)))
    return of_images(", ".join(f.name for f in files), images)


def of_tables(where: str, files: Iterable[tuple[Path, Options]]) -> tuple[Photo, ...]:
    """The labelled images of files, each with its options; raises where there are none."""
    images = (i for file, options in files for i in table.labelled(file, dict(options)))
    return of_images(where, images)


def of_images(where: str, images: Iterable[Labelled]) -> tuple[Photo, ...]:
    read = readable(where, images)
    if not read:
        raise UserError(f"'{where}' has no labelled picture that can be read.")
    return as_photos(with_others(read), {})


@lru_cache(maxsize=2)
def read_folder(path: Path, options: Options = ()) -> tuple[Photo, ...]:
    """The images of a folder's labels, each shown once; raises `UserError` where there are none."""
    if not path.is_dir():
        raise UserError(f"There is no folder '{path}'. Give it as folder:DIR.")
    read = readable(path.name, folder_images(path))
    if not read:
        raise UserError(
            f"'{path}' has no pictures: expected DIR/<label>/*.png or .jpg, one folder a concept."
        )
    return as_photos(with_others(read), own_concepts(path))


def folder_images(path: Path) -> Iterator[Labelled]:
    for found in image_tree.find(path):
        data = found.file.read_bytes()
        yield Labelled(f"file:{found.file}", found.label, found.split, None, data)


def with_others(read: list[Read]) -> list[Read]:
    """Images of a single label with those of other things before them."""
    if len({plain_name(r.label) for r in read}) > 1:
        return read
    return readable(RETAIN.name, folder_images(RETAIN)) + read


def as_photos(read: Iterable[Read], own: Mapping[str, Concept]) -> tuple[Photo, ...]:
    """The images by the names of their labels; no group of images that look alike is torn."""
    labels: dict[str, list[Read]] = {}
    for one in read:
        labels.setdefault(plain_name(one.label), []).append(one)
    aside = set[str]().union(*map(held_out_groups, labels.values()))
    return tuple(p for name, part in labels.items() for p in photos_of(name, part, aside, own))


def photos_of(
    name: str, images: list[Read], aside: set[str], own: Mapping[str, Concept]
) -> list[Photo]:
    """The images of one label; those of the groups `aside` are for evaluation only."""
    concept = own.get(concepts.slug(name)) or authors.people().get(concepts.slug(name))
    kind = concept.abstractions[0] if concept else kind_word(name)
    name = concept.name if concept else name
    identity = concept is not None and concept.kind == "identity"
    return [
        Photo(r.key, name, kind, r.style, r.group in aside, identity=identity, also=r.also)
        for r in images
    ]


def own_concepts(path: Path) -> dict[str, Concept]:
    """The concepts that a folder's labels describe themselves, by id."""
    found = {}
    for file in sorted([*path.glob(f"*/{CONCEPT}"), *path.glob(f"*/*/{CONCEPT}")]):
        if image_tree.is_litter(file, path):
            continue
        concept = concepts.load(file)
        if concept.id != concepts.slug(file.parent.name):
            raise UserError(
                f"'{file}' describes '{concept.id}', but stands in the folder of "
                f"'{file.parent.name}': id and folder must have the same name."
            )
        found[concept.id] = concept
    return found


def load_image(key: str) -> Image.Image:
    """The image behind `pacs:FILE#ROW`, `parquet:FILE#ROW.COLUMN`, `file:PATH` or a path, RGB."""
    match = ROW.fullmatch(key)
    if not match:
        return open_image(Path(key.removeprefix("file:")))
    path, row, column = match.groups()
    try:
        data = table.picture_in(cell(path, int(row), column or "image"))
    except IndexError:
        raise UserError(f"'{path}' has no picture with number '{row}'.") from None
    return open_image(data, f"'{Path(path).name}#{row}'")
