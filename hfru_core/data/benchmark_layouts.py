"""The field's benchmarks told apart by their columns: a wrong prefix names the right one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pyarrow
import pyarrow.parquet as parquet

HEAD = 2**16  # bytes of a JSON file that are looked at
LAYOUTS = (  # columns that only this one has, its name, and how to give it where it is read
    ({"MM_QA", "UM_QA"}, "UMU-Bench", "umu:DIR"),
    ({"Classification_Task"}, "MLLMU-Bench", "mllmu:DIR"),
    ({"ID", "metadata"}, "MLLMU-Bench", "mllmu:DIR"),
    ({"perturbed_captions"}, "a perturbed split of CLEAR", None),
    ({"question", "answer", "options"}, "real_faces or real_world of CLEAR", None),
    ({"caption", "name"}, "CLEAR", "clear:DIR"),
    ({"unique_id", "qa_list"}, "FIUBench", None),
    ({"unsafe_pairs"}, "SafeEraser", None),
    ({"loc_ans", "pred"}, "UnLOK-VQA", None),
    ({"messages", "images"}, "OFFSIDE, or other data in ms-swift's layout", "json:FILE"),
)


def way_out(kind: str, columns: Iterable[str]) -> str | None:
    """What these columns are and how to give them, if they are another benchmark's."""
    there = set(columns)
    for needed, title, written in LAYOUTS:
        if needed <= there:
            if written is None:
                return f"This looks like {title}, which is not read."
            if not written.startswith(f"{kind}:"):
                return f"This looks like {title}: give it as {written}."
            return None
    return None


def columns_below(folder: Path) -> list[str]:
    """The columns of a folder's first table, or the keys at the head of its first JSON file."""
    for file in sorted(chain(folder.glob("*.parquet"), folder.glob("*/*.parquet"))):
        try:
            return parquet.read_schema(file).names
        except (pyarrow.ArrowException, OSError):
            continue
    for file in sorted(chain(folder.glob("*.json"), folder.glob("*.jsonl"))):
        with file.open(encoding="utf-8", errors="replace") as opened:
            if found := re.findall(r'"(\w+)"\s*:', opened.read(HEAD)):
                return found
    return []
