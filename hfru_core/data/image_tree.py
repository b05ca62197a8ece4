"""The image files of a folder by label, in the layouts that people have.

`DIR/<label>/*`, and with a split before or after the label: `DIR/train/<label>/*`,
`DIR/<label>/test/*`. What systems leave beside images (hidden files, `__MACOSX`) is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hfru_core.types import Split

SUFFIXES = frozenset(
    ".png .jpg .jpeg .webp .bmp .gif .tif .tiff .avif .heic .heif .jp2".split()
)  # Those that cannot be read are named, which is better than not to be seen.
SPLITS: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "eval", "valid": "eval", "validation": "eval", "dev": "eval", "eval": "eval",
    "test": "eval", "testing": "eval",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """An image file with its label and the split that its folders name, if they do."""

    file: Path
    label: str
    split: Split | None


def find(root: Path) -> Iterator[Found]:
    """The image files below a folder, in the order of their paths."""
    for file in sorted([*root.glob("*/*"), *root.glob("*/*/*")]):
        folders = file.relative_to(root).parts[:-1]
        if file.suffix.lower() not in SUFFIXES or is_litter(file, root) or not file.is_file():
            continue
        if len(folders) == 1:
            yield Found(file, folders[0], None)
        elif folders[0].lower() in SPLITS:
            yield Found(file, folders[1], SPLITS[folders[0].lower()])
        elif folders[1].lower() in SPLITS:
            yield Found(file, folders[0], SPLITS[folders[1].lower()])


def split_in(file: Path) -> Split | None:
    """The split that a file's name or folder says, as 'test-00000-of-00001.parquet' does."""
    first, *rest = re.split(r"[-_.]", file.stem.lower())
    words = (first, *rest[-1:], file.parent.name.lower())
    return next((SPLITS[w] for w in words if w in SPLITS), None)


def is_litter(file: Path, root: Path) -> bool:
    """Whether a file or a folder above it is hidden or was left by a system."""
    parts = file.relative_to(root).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
