"""Rows and pictures of a parquet file, never more of it at once than a row group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet

from hfru_core.types import UserError

MOST_GROUP = 2**29  # bytes that a row group says it holds, and those that it holds


def check_declared(file: Path, metadata: parquet.FileMetaData) -> None:
    """Refuse row groups that say they are larger than any of a data set of images."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    check_size(file, max((g.total_byte_size for g in groups), default=0))


def check_size(file: Path, size: int) -> None:
    if size > MOST_GROUP:
        raise UserError(
            f"'{file.name}': expected row groups of at most {MOST_GROUP} bytes, got {size}. "
            "They are read whole: write the file with smaller ones."
        )


def rows(file: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows one by one; raises where a row group unpacks to more than it may hold."""
    with parquet.ParquetFile(file) as table:
        check_declared(file, table.metadata)
        for group in range(table.num_row_groups):
            size = 0
            for batch in table.iter_batches(1, row_groups=[group], columns=list(columns)):
                size += batch.nbytes
                check_size(file, size)
                yield from batch.to_pylist()


def cell(path: str, row: int, name: str) -> Any:
    """One cell of a file, found by the sizes of its row groups; raises where there is none."""
    with parquet.ParquetFile(path) as table:
        for group in range(table.num_row_groups):
            size = table.metadata.row_group(group).num_rows
            if row < size:
                return column(path, group, name)[row].as_py()
            row -= size
    raise IndexError(row)


@lru_cache(maxsize=4)
def column(path: str, group: int, name: str) -> pyarrow.ChunkedArray:
    """A row group's images; a few stay, since one image cannot be decoded without its group."""
    with parquet.ParquetFile(path) as table:
        return table.read_row_group(group, columns=[name]).column(0)
