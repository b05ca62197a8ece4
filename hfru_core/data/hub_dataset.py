"""Which row groups of a data set on the Hub are needed, and their copies on this machine.

Labels are read first. A row group is copied where it has images of a label of which more are
needed, so that of a data set sorted by label little is fetched. A copy is an ordinary parquet file.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as parquet

from hfru_core.data.hub_files import Remote, cache, opened, remotes
from hfru_core.data.hub_place import place_of
from hfru_core.data.labels import plain_name
from hfru_core.data.parquet_file import check_declared
from hfru_core.data.photos import of_tables
from hfru_core.data.table import Layout, at, label_name, layout_in, synonyms
from hfru_core.files import write_file
from hfru_core.types import Photo

MOST_FETCHED = 2**30  # bytes of row groups
MOST_READ = 64  # files whose labels are read to know the names, where no file lists them
Options = tuple[tuple[str, str], ...]
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Copy:
    """A row group on this machine, and the options that it is read with."""

    file: Path
    options: Options


@lru_cache(maxsize=2)
def read(
    text: str, options: Options, wanted: tuple[tuple[str, int], ...] | None = None
) -> tuple[Photo, ...]:
    """Images of a data set: so many of each name, or all of them."""
    found = fetched(text, options, None if wanted is None else dict(wanted))
    return of_tables(f"hub:{text}", [(c.file, c.options) for c in found])


@lru_cache(maxsize=4)
def labels(text: str, options: Options) -> tuple[str, ...]:
    """The labels of a data set: as its files list them, else those of its rows."""
    found: dict[str, None] = {}
    for remote in remotes(place_of(text))[:MOST_READ]:
        with opened(remote) as table:
            layout = layout_in(remote.file, table, dict(options))
            if layout.names:
                return layout.names
            for group in range(table.num_row_groups):
                found |= dict.fromkeys(group_labels(table, group, layout, remote.file))
    return tuple(name for name in found if name)


def group_labels(
    table: parquet.ParquetFile, group: int, layout: Layout, file: str
) -> Iterator[str]:
    """The label of each row of a row group; nothing else of it is fetched."""
    for row in table.read_row_group(group, columns=[layout.label]).to_pylist():
        yield label_name(at(row, layout.label), layout.names, file)


def fetched(text: str, options: Options, wanted: Mapping[str, int] | None) -> list[Copy]:
    """Copies of the row groups with so many images of each name (None: all), of both splits."""
    found, size = [], 0
    left = {split: Counter(wanted or {}) for split in ("train", "eval")}
    for remote in remotes(place_of(text)):
        need = left[remote.split or "train"]
        if wanted is not None and not +need:
            continue
        for copy, new in copies(remote, dict(options), None if wanted is None else need):
            found.append(copy)
            size += new
            if size > MOST_FETCHED:
                LOG.warning("'hub:%s': the first %d bytes of what was needed.", text, size)
                return found
    return found


def copies(
    remote: Remote, options: dict[str, str], need: Counter[str] | None
) -> Iterator[tuple[Copy, int]]:
    """The needed row groups of a file, and how many bytes each took."""
    with opened(remote) as table:
        check_declared(Path(remote.file), table.metadata)
        layout = layout_in(remote.file, table, options)
        for group in range(table.num_row_groups):
            told = group_labels(table, group, layout, remote.file)
            names = [plain_name(synonyms(label)[0]) for label in told]
            if need is None or any(need[name] > 0 for name in names):
                if need is not None:
                    need.subtract(n for n in names if n in need)
                yield copied(remote, table, group, layout, options)


def copied(
    remote: Remote, table: parquet.ParquetFile, group: int, layout: Layout, options: dict[str, str]
) -> tuple[Copy, int]:
    """A row group as a file whose name tells the split; it is fetched once for these columns."""
    stem = remote.file.replace("/", "-").removesuffix(".parquet")
    of = sha256(f"{remote.file}\n{layout.columns}".encode()).hexdigest()[:16]
    file = cache(remote) / f"{remote.split or 'rows'}-{stem}-{of}-{group}.parquet"
    size = table.metadata.row_group(group).total_byte_size
    if not file.exists():
        rows = table.read_row_group(group, columns=layout.columns)
        write_file(file, lambda beside: parquet.write_table(rows, beside))
    own = {"image": layout.image, "label": layout.label} | options
    if layout.names:
        own["names"] = "|".join(layout.names)
    return Copy(file, tuple(own.items())), size
