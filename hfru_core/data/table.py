"""Labelled images of any parquet file: which columns hold image, label and split.

They are found by kind and name, or named: `image=COLUMN`, `label=COLUMN`, `split=COLUMN`. A name
with dots is a field of a column of records. Numbers stand for names that the file tells (Hugging
Face's ClassLabel), that `names=a|b|c` lists, or of the authors' data sets (`names=pacs`). Held out
are the rows of a test split, or those where the split is one of `held_out=a|b`. verl's files have
their label in `extra_info.answer`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
from pyarrow import types

from hfru_core.data.authors import DATA_SOURCES, NAMES, PACS_LABELS, PACS_STYLES
from hfru_core.data.collection import Labelled
from hfru_core.data.image_tree import SPLITS, split_in
from hfru_core.data.parquet_file import check_declared, rows
from hfru_core.language.wordlists import senses
from hfru_core.types import Split, UserError

OPTIONS = ("image", "label", "names", "split", "held_out")
IMAGES = ("image", "img", "images", "picture", "photo", "jpg", "png")
LABELS = ("label", "labels", "class", "class_label", "category", "name", "extra_info.answer")
SPLIT_COLUMNS = ("split", "extra_info.split")
STYLES = ("domain", "extra_info.domain")


@dataclass(frozen=True)
class Layout:
    """The columns of a file, and the names that its numbers stand for."""

    image: str
    label: str
    names: tuple[str, ...]
    split: str | None
    style: str | None

    @property
    def columns(self) -> list[str]:
        found = (self.image, self.label, self.split, self.style)
        return list(dict.fromkeys(c for c in found if c))


def labelled(file: Path, options: Mapping[str, str]) -> Iterator[Labelled]:
    """The labelled images of one file; raises `UserError` where it has none."""
    layout = layout_of(file, options)
    held_out = frozenset(options["held_out"].split("|")) if "held_out" in options else None
    for number, row in enumerate(rows(file, layout.columns)):
        told = str(at(row, layout.split)) if layout.split else ""
        split: Split | None = SPLITS.get(told.lower()) or split_in(file)
        if held_out:
            split = "eval" if told in held_out else "train"
        style = PACS_STYLES.get(str(at(row, layout.style))) if layout.style else None
        label = label_name(at(row, layout.label), layout.names, f"{file.name}#{number}")
        name, *also = synonyms(label)
        data = picture_in(row.get(layout.image))
        key = f"parquet:{file}#{number}.{layout.image}"
        yield Labelled(key, name, split, style, data, tuple(also))


def label_name(value: Any, names: tuple[str, ...], where: str) -> str:
    """A label as a name; "" where a row has none, which data sets also write as -1."""
    if value is None or (isinstance(value, int) and value == -1):
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    numbers = f"a number from 0 to {len(names) - 1}" if names else "a name"
    raise UserError(f"'{where}': expected {numbers} as label, got {value!r:.80}.")


@lru_cache(maxsize=4096)
def synonyms(label: str) -> tuple[str, ...]:
    """The names in a label as ImageNet has them, 'tench, Tinca tinca'; else the label alone.

    A person may have a comma in the name, so the dictionary must know two of them for the same.
    """
    parts = tuple(p.strip() for p in label.split(","))
    meanings = [{s.synset for s in senses(p)} for p in parts if p] if len(parts) > 1 else []
    same = any(meanings[0] & other for other in meanings[1:]) if meanings else False
    return parts if same else (label,)


def picture_in(value: Any) -> bytes:
    """The bytes of a cell, of its record, or of the first of several; b"" where it has none."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("bytes")
    return value if isinstance(value, bytes) else b""


def at(row: Mapping[str, Any], place: str) -> Any:
    """A column's value, or a field's in a record: 'extra_info.answer'."""
    if place in row:
        return row[place]
    outer, _, inner = place.partition(".")
    return at(row[outer], inner) if inner and isinstance(row.get(outer), dict) else None


def layout_of(file: Path, options: Mapping[str, str]) -> Layout:
    """The columns of a file; raises where one is not clear, with those that there are."""
    if not file.is_file():
        raise UserError(f"There is no file '{file}'. Give it as parquet:FILE.parquet.")
    with told_apart(file.name), parquet.ParquetFile(file) as table:
        check_declared(file, table.metadata)
        return layout_in(file.name, table, options)


@contextmanager
def told_apart(name: str) -> Iterator[None]:
    """Raise what is wrong with a parquet file in one line."""
    try:
        yield
    except pyarrow.ArrowException as error:
        said = str(error).partition("\n")[0]
        raise UserError(
            f"'{name}' is not a parquet file ({said}). Was the download cut short?"
        ) from None


def layout_in(name: str, table: parquet.ParquetFile, options: Mapping[str, str]) -> Layout:
    """The columns of an open file."""
    fields = dict(leaves(table.schema_arrow))
    classes = class_labels(table.schema_arrow)
    label = chosen(name, "label", options, (*classes, *LABELS), labels_in(fields), fields)
    return Layout(
        chosen(name, "image", options, IMAGES, [n for n, t in fields.items() if holds(t)], fields),
        label,
        names_of(table, options) or classes.get(label, ()),
        options.get("split") or next((c for c in SPLIT_COLUMNS if c in fields), None),
        next((c for c in STYLES if c in fields), None),
    )


def leaves(fields: Iterable[pyarrow.Field], before: str = "") -> Iterator[tuple[str, Any]]:
    """The columns by name with their types, and the fields of records below them."""
    for field in fields:
        yield before + field.name, field.type
        if types.is_struct(field.type) and not holds(field.type):
            yield from leaves(field.type, f"{before}{field.name}.")


def holds(kind: pyarrow.DataType) -> bool:
    """Whether a column of this type can hold images: bytes, a record with them, or a list of it."""
    if types.is_list(kind) or types.is_large_list(kind):
        return holds(kind.value_type)
    if types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and binary(kind.field("bytes").type)
    return binary(kind)


def binary(kind: pyarrow.DataType) -> bool:
    return types.is_binary(kind) or types.is_large_binary(kind)


def labels_in(fields: Mapping[str, Any]) -> list[str]:
    """The columns that hold a text or a whole number."""
    return [n for n, kind in fields.items() if text_or_number(kind)]


def text_or_number(kind: pyarrow.DataType) -> bool:
    if types.is_dictionary(kind):
        return text_or_number(kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind)


def chosen(
    file: str,
    what: str,
    options: Mapping[str, str],
    usual: Iterable[str],
    fitting: list[str],
    fields: Mapping[str, Any],
) -> str:
    """The column that was named, else the first usual name that fits, else the only one."""
    named = options.get(what)
    if named in fitting:
        return named
    found = [n for n in usual if n in fitting] or (fitting if len(fitting) == 1 else [])
    if found and named is None:
        return found[0]
    wrong = f"no column '{named}' of the right kind" if named else f"no clear {what} column"
    could = ", ".join(fitting) or f"none of {', '.join(fields)}"
    raise UserError(
        f"'{file}' has {wrong}: it could be {could}. Name it with #{what}="
        f"{fitting[0] if fitting else 'COLUMN'}."
    )


def names_of(table: parquet.ParquetFile, options: Mapping[str, str]) -> tuple[str, ...]:
    """The names that were given, or those of the authors' data set that a file says it is of."""
    given = options.get("names")
    if given:
        return NAMES.get(given) or tuple(n.strip() for n in given.split("|"))
    there = set(table.schema_arrow.names)
    if {"data_source", "extra_info"} <= there:
        rows = (b.to_pylist()[0] for b in table.iter_batches(1, columns=["data_source"]))
        return DATA_SOURCES.get(str(next(rows, {"data_source": ""})["data_source"]), ())
    return PACS_LABELS if there == {"image", "domain", "label"} else ()


def class_labels(schema: pyarrow.Schema) -> dict[str, tuple[str, ...]]:
    """The names of numbered labels by column, as Hugging Face's data sets write them."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = told["info"]["features"]
        return {
            column: tuple(map(str, f["names"]))
            for column, f in features.items()
            if isinstance(f, dict) and f.get("_type") == "ClassLabel" and f.get("names")
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
