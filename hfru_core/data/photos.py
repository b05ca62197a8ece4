"""Labelled images from a PACS parquet file or a folder: what is known about each, and its bytes.

PACS: Li et al., ICCV 2017, in the layout of the hub dataset flwrlabs/pacs. A folder has one
subfolder a label, DIR/<label>/*.png|jpg; DIR/<label>/concept.json, where it is there, says which
words name the concept. A folder with a single label borrows images of other things from
assets/retain, so that a person needs nothing but images of what is to be forgotten.
"""

from __future__ import annotations

import hashlib
import logging
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet
from PIL import Image

from hfru_core import concepts
from hfru_core.data import image_tree
from hfru_core.data.duplicates import Look, first_alike, look
from hfru_core.data.image_tree import Found
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
MOST_NAMED = 5
LOG = logging.getLogger(__name__)


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
    """The images of a folder's labels, each shown once; raises `UserError` where there are none."""
    if not path.is_dir():
        raise UserError(f"There is no folder '{path}'. Give it as folder:DIR.")
    read = readable(path)
    if not read:
        raise UserError(
            f"'{path}' has no pictures: expected DIR/<label>/*.png or .jpg, one folder a concept."
        )
    if len({plain_name(r.found.label) for r in read}) == 1:
        read = readable(RETAIN) + read
    own = own_concepts(path)
    labels: dict[str, list[Read]] = {}
    for one in read:
        labels.setdefault(plain_name(one.found.label), []).append(one)
    aside = set[str]().union(*map(held_out_groups, labels.values()))
    return tuple(p for name, part in labels.items() for p in folder_photos(name, part, aside, own))


@dataclass(frozen=True)
class Read:
    """An image file that can be read: its bytes, their digest, and the group that looks alike."""

    found: Found
    data: bytes = field(repr=False)
    digest: str
    group: str


def readable(root: Path) -> list[Read]:
    """The images below a folder without copies; those that cannot be read are named and left."""
    fine: dict[str, tuple[Found, bytes, Look]] = {}
    bad, copies = [], 0
    for found in image_tree.find(root):
        try:
            seen = look(open_image(found.file))
        except UserError as error:
            bad.append(str(error))
            continue
        data = found.file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        copies += digest in fine
        fine.setdefault(digest, (found, data, seen))
    digests = sorted(fine)
    first = first_alike([fine[d][2] for d in digests])
    tell(root, bad, copies, sum(f != i for i, f in enumerate(first)))
    return [Read(*fine[d][:2], d, digests[first[i]]) for i, d in enumerate(digests)]


def tell(root: Path, bad: list[str], copies: int, alike: int) -> None:
    """Warn of what a folder holds that is left out or kept together."""
    if bad:
        more = f" And {len(bad) - MOST_NAMED} more." if len(bad) > MOST_NAMED else ""
        LOG.warning("%s skipped in '%s': %s%s", plural(len(bad)), root.name,
                    " ".join(bad[:MOST_NAMED]), more)  # fmt: skip
    if copies:
        LOG.warning("%s in '%s' left out: the same file is there twice.", plural(copies), root.name)
    if alike:
        LOG.warning("%s in '%s' nearly the same as another: on its side.", plural(alike), root.name)


def plural(count: int) -> str:
    return f"{count} picture" + "s" * (count != 1)


def folder_photos(
    name: str, images: list[Read], aside: set[str], own: dict[str, Concept]
) -> list[Photo]:
    """The images of one label; those of the groups `aside` are for evaluation only."""
    concept = own.get(concepts.slug(name))
    kind = concept.abstractions[0] if concept else kind_word(name)
    name = concept.name if concept else name
    identity = concept is not None and concept.kind == "identity"
    return [
        Photo(f"file:{r.found.file}", name, kind, None, r.data, r.group in aside, identity=identity)
        for r in images
    ]


def held_out_groups(images: list[Read]) -> set[str]:
    """The groups of a label for evaluation: its test folder's, else about a tenth of the images.

    Of several groups one at least. Which ones depends on digests alone: the same on every machine.
    """
    if any(r.found.split == "eval" for r in images):
        return {r.group for r in images if r.found.split == "eval"}
    sizes = Counter(r.group for r in sorted(images, key=lambda r: r.digest))
    wanted, aside, taken = max(1, len(images) // 10), set[str](), 0
    for group, size in sorted(sizes.items(), key=lambda g: (g[1] > wanted, g[0])):
        if taken < wanted and len(aside) + 1 < len(sizes):
            aside.add(group)
            taken += size
    return aside


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
    plain = " ".join(unicodedata.normalize("NFC", label).lower().replace("_", " ").split())
    return concept.name if concept else plain


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
