"""What a parquet file may say of itself before any of it is read."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as parquet

from hfru_core.types import UserError

MOST_GROUP = 2**29  # bytes that a row group says it holds


def check_declared(file: Path, metadata: parquet.FileMetaData) -> None:
    """Refuse row groups that say they are larger than any of a data set of images."""
    groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
    largest = max((g.total_byte_size for g in groups), default=0)
    if largest > MOST_GROUP:
        raise UserError(
            f"'{file.name}': expected row groups of at most {MOST_GROUP} bytes, got {largest}. "
            "They are read whole: write the file with smaller ones."
        )
