"""Small smooth pictures for tests of data: each number is another one."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from PIL import Image


def picture(seed: int, kind: str = "PNG", **options: int) -> bytes:
    """A smooth picture of a few colours, as photographs are."""
    cells = np.random.default_rng(seed).integers(0, 255, (5, 5, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(cells).resize((96, 96), Image.Resampling.BICUBIC).save(out, kind, **options)
    return out.getvalue()


def cell(seed: int) -> dict[str, Any]:
    """A picture as Hugging Face's data sets hold it."""
    return {"bytes": picture(seed), "path": None}


def write(file: Path, rows: list[dict], metadata: dict | None = None, group: int = 5) -> Path:
    """A parquet file of these rows, so many in a row group."""
    table = pa.Table.from_pylist(rows).replace_schema_metadata(metadata)
    parquet.write_table(table, file, row_group_size=group)
    return file
