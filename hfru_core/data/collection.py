"""Labelled images from anywhere -> those to use: each once, what looks alike on one side.

Images that cannot be read are named and left out. No image's bytes stay in memory.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hfru_core.data.duplicates import Look, first_alike, look
from hfru_core.data.images import open_image
from hfru_core.types import Split, UserError

MOST_NAMED = 5
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labelled:
    """An image's bytes with its key, its label, and the split and style that its source tells."""

    key: str
    label: str
    split: Split | None
    style: str | None
    data: bytes = field(repr=False)
    also: tuple[str, ...] = ()  # other names for the label


@dataclass(frozen=True)
class Read:
    """An image that can be read: what is told about it, its digest, the group that looks alike."""

    key: str
    label: str
    split: Split | None
    style: str | None
    digest: str
    group: str
    also: tuple[str, ...] = ()


def readable(where: str, images: Iterable[Labelled]) -> list[Read]:
    """The images without copies, in the order of their digests; tells what is wrong with others."""
    fine: dict[str, tuple[Labelled, Look]] = {}
    bad, unlabelled, copies = [], 0, 0
    for image in images:
        if not image.label:
            unlabelled += 1
            continue
        if not image.data:
            bad.append(f"'{Path(image.key).name}' is missing or empty.")
            continue
        digest = hashlib.sha256(image.data).hexdigest()
        if digest in fine:
            copies += 1
            continue
        try:
            seen = look(open_image(image.data, f"'{Path(image.key).name}'"))
        except UserError as error:
            bad.append(str(error))
            continue
        fine[digest] = (replace(image, data=b""), seen)
    digests = sorted(fine)
    first = first_alike([fine[d][1] for d in digests])
    alike = sum(f != i for i, f in enumerate(first))
    tell(where, bad, unlabelled, copies, alike)
    kept = (fine[d][0] for d in digests)
    return [
        Read(k.key, k.label, k.split, k.style, d, digests[f], k.also)
        for k, d, f in zip(kept, digests, first)
    ]


def tell(
    where: str, bad: Sequence[str], unlabelled: int = 0, copies: int = 0, alike: int = 0
) -> None:
    """Warn of what is left out or kept together."""
    if bad:
        more = f" And {len(bad) - MOST_NAMED} more." if len(bad) > MOST_NAMED else ""
        LOG.warning("%s skipped in '%s': %s%s", plural(len(bad)), where,
                    " ".join(bad[:MOST_NAMED]), more)  # fmt: skip
    if unlabelled:
        LOG.warning("%s in '%s' left out: no label.", plural(unlabelled), where)
    if copies:
        LOG.warning("%s in '%s' left out: the same file is there twice.", plural(copies), where)
    if alike:
        LOG.warning("%s in '%s' nearly the same as another: on its side.", plural(alike), where)


def plural(count: int) -> str:
    return f"{count} picture" + "s" * (count != 1)


def is_held_out(data: bytes) -> bool:
    """One image in ten, by its digest: the same on every machine."""
    return is_aside(hashlib.sha256(data).hexdigest())


def is_aside(digest: str) -> bool:
    return int(digest[:2], 16) % 10 == 0


def held_out_groups(images: Sequence[Read]) -> set[str]:
    """The groups of a label for evaluation: its test split's, else about a tenth of the images.

    Of several groups one at least. Which ones depends on digests alone: the same on every machine.
    """
    if any(r.split == "eval" for r in images):
        return {r.group for r in images if r.split == "eval"}
    sizes = Counter(r.group for r in sorted(images, key=lambda r: r.digest))
    likely = {r.group for r in images if is_aside(r.digest)}
    wanted, aside, taken = max(1, len(images) // 10), set[str](), 0
    order = sorted(sizes, key=lambda g: (sizes[g] > wanted, g not in likely, g))
    for group in order:
        if taken < wanted and len(aside) + 1 < len(sizes):
            aside.add(group)
            taken += sizes[group]
    return aside
