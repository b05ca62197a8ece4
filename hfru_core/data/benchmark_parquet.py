"""Rows of MLLMU-Bench (arXiv 2410.22108) and CLEAR (arXiv 2410.18057), from their parquet folders.

ft_Data adds questions, Full_Set names, and `+tofu` folders what is known in words. Images stay in
their files until they are asked for.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow
import pyarrow.parquet as parquet

from hfru_core.data.benchmark_layouts import way_out
from hfru_core.data.parquet_file import check_declared
from hfru_core.language.mentions import mentions
from hfru_core.types import Split, UserError

TITLES = {"mllmu": "MLLMU-Bench", "umu": "UMU-Bench", "clear": "CLEAR"}
BY_SHARE = {"forget_5": "retain_95", "forget_10": "retain_90", "forget_15": "retain_85"}
PAIRS = {
    "mllmu": BY_SHARE,
    "umu": BY_SHARE,
    "clear": {"forget01": "retain99", "forget05": "retain95", "forget10": "retain90"},
}
NEEDED = {
    "mllmu": ("ID", "image|images", "biography|metadata"),
    "umu": ("ID", "image", "Biography", "MM_QA", "UM_QA"),
    "clear": ("image", "caption", "name"),
    "+tofu": ("question", "answer"),
}
PICTURES = ("image", "images")
BATCH = 16  # rows in memory while a split is read: a whole benchmark would not fit
AGAIN = "Was the download cut short, or the file changed? Fetch the data set as it is published."


@dataclass(frozen=True)
class Asked:
    """A question of the benchmark with its right answer, about an image or in words alone."""

    question: str
    answer: str
    pictured: bool


@dataclass(frozen=True)
class View:
    """An image of a person: its key and digest, what is asked about it, its captions."""

    key: str
    digest: str
    asked: tuple[Asked, ...]
    captions: tuple[str, ...]


MOST_TEXT = 2**26  # letters of all rows of a split


@dataclass(frozen=True)
class Person:
    """Somebody of a benchmark: images to learn from and to be judged on, facts in words."""

    name: str
    can_go: bool
    train: tuple[View, ...]
    eval: tuple[View, ...]
    facts: tuple[Asked, ...]

    def views(self, split: Split) -> tuple[View, ...]:
        """The images of one split."""
        return self.train if split == "train" else self.eval


Named = dict[str, list]  # views, or facts, of each person
Json = TypeVar("Json", dict, list)


def bad(where: object, expected: str, got: object, way: str = AGAIN) -> UserError:
    """The error of a file or folder that is not as the benchmark has it."""
    return UserError(f"'{where}': expected {expected}, got {str(got)[:160] or 'nothing'}. {way}")


def rows(kind: str, folder: Path, leave: Sequence[str] = ()) -> Iterator[dict]:
    """The rows of a split's files, each with its `place`, without the columns to `leave`."""
    number, kept = -1, 0
    for file in sorted(folder.glob("*.parquet")):
        try:
            with parquet.ParquetFile(file) as table:
                there = table.schema_arrow.names
                missing = [g for g in NEEDED[kind] if not set(g.split("|")) & set(there)]
                if missing:
                    way = way_out(kind, there) or AGAIN
                    raise bad(file, f"a column {' and '.join(missing)}", ", ".join(there), way)
                check_declared(file, table.metadata)
                batches = table.iter_batches(BATCH, columns=[c for c in there if c not in leave])
                for number, row in enumerate(r for b in batches for r in b.to_pylist()):
                    kept += letters(row)
                    if kept > MOST_TEXT:
                        raise bad(file, f"at most {MOST_TEXT} letters in a split", "more")
                    yield row | {"place": f"{file}#{number}"}
        except (pyarrow.ArrowException, OSError) as error:
            raise bad(file, "a parquet file", f"{error} (a Git LFS pointer?)") from None
    if number < 0:
        raise bad(folder, "*.parquet files with rows", "an empty split")


def letters(value: object) -> int:
    """How many letters of text a value holds; a repeated text counts each time."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict | list):
        return sum(map(letters, value.values() if isinstance(value, dict) else value))
    return 0


def json_in(row: dict, column: str, kind: type[Json]) -> Json:
    """What the JSON of a column holds; an empty column holds nothing."""
    value = row.get(column)
    if value is None:
        return kind()
    try:
        value = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise bad(row["place"], f"JSON in {column}", f"{value[:60]} ({error})") from None
    if not isinstance(value, kind):
        raise bad(row["place"], f"a JSON {kind.__name__} in {column}", value)
    return value


def fields_of(row: dict, column: str, item: object, *fields: str) -> tuple[str, ...]:
    """The fields of one entry of a column as text, "" where they are empty."""
    if not isinstance(item, dict) or not set(fields) <= set(item):
        raise bad(row["place"], f"{', '.join(fields)} in {column}", item)
    return tuple(str(item[f] or "").strip() for f in fields)


def views(kind: str, row: dict, asked: Iterable[Asked], *captions: str) -> Iterator[View]:
    """A row's images, one or a list of them."""
    several = bool(row.get("images"))
    for number, picture in enumerate(row["images"] if several else [row.get("image")]):
        data = bytes_of(picture)
        if not data:
            raise bad(row["place"], "a picture's bytes in image", picture)
        key = f"{kind}:{row['place']}" + f".{number}" * several
        yield View(key, hashlib.sha256(data).hexdigest(), tuple(asked), captions)


def bytes_of(picture: object) -> bytes | None:
    """The bytes in an image's record, which UMU-Bench may write as a Python literal."""
    if isinstance(picture, str) and picture.startswith("{"):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            picture = ast.literal_eval(picture)
    data = picture.get("bytes") if isinstance(picture, dict) else None
    return data if isinstance(data, bytes) else None


def read_mllmu(root: Path, pair: tuple[str, str]) -> tuple[list[Named], Named, Named]:
    """Views by person of both splits and of Test_Set, and facts by person."""
    names: dict[str, str] = {}
    taught: dict[str, list[Asked]] = {}
    facts: Named = {}
    for folder in (*pair, "Test_Set", "Full_Set"):
        for row in rows("mllmu", root / folder, PICTURES) if (root / folder).is_dir() else ():
            if row.get("biography"):
                known = {k.lower(): v for k, v in json_in(row, "biography", dict).items()}
                names[row["ID"]] = fields_of(row, "biography", known, "name")[0]
    for row in rows("mllmu", root / "ft_Data", PICTURES) if (root / "ft_Data").is_dir() else ():
        taught[row["ID"]] = list(questions(row, names.get(row["ID"], "")))
    groups = [persons(root / split, names, taught, facts) for split in pair]
    test = root / "Test_Set"
    return groups, persons(test, names, {}, facts) if test.is_dir() else {}, facts


def persons(folder: Path, names: dict, taught: dict, facts: Named) -> Named:
    """The views of a split of MLLMU-Bench by person; what is asked in words goes to `facts`."""
    found: Named = {}
    for row in rows("mllmu", folder):
        name = names.get(row["ID"])
        if not name:  # Training rows do not tell it.
            raise bad(row["place"], f"a Name for ID {row['ID']}, here or in Full_Set", "none")
        asked = dict.fromkeys([*questions(row, name), *taught.get(row["ID"], ())])
        facts.setdefault(name, []).extend(a for a in asked if not a.pictured)
        found.setdefault(name, []).extend(views("mllmu", row, [a for a in asked if a.pictured]))
    return found


def questions(row: dict, name: str) -> Iterator[Asked]:
    """What a row of MLLMU-Bench asks, where it has both question and answer."""
    return (
        a
        for a in (*training_questions(row, name), *choices(row), *gaps(row))
        if a.question and a.answer
    )


def training_questions(row: dict, name: str) -> Iterator[Asked]:
    """A training row's questions; one that gives the name itself needs no image."""
    given = (name, name.split()[-1]) if name else ()
    for item in json_in(row, "metadata", list):
        question, answer = fields_of(row, "metadata", item, "Question", "Answer")
        yield Asked(question, answer, not mentions(question, given))


def choices(row: dict) -> Iterator[Asked]:
    """Questions with options, of which the letter is asked for."""
    for group, items in json_in(row, "Classification_Task", dict).items():
        for item in items or ():
            question, letter = fields_of(row, group, item, "Question", "Correct_Answer")
            options = "\n".join(f"{k}. {v}" for k, v in (item.get("Options") or {}).items() if v)
            question = question and f"{question}\n{options}\nAnswer with the letter alone."
            yield Asked(question, letter, group != "Pure_Text_Questions")


def gaps(row: dict) -> Iterator[Asked]:
    """Questions with free answers, and sentences with a gap."""
    for column in ("Generation_Task", "Mask_Task"):
        for item in json_in(row, column, list):
            question, answer, form = fields_of(
                row, column, item, "Question", "Ground_Truth", "Type"
            )
            yield Asked(question, answer, not form.lower().startswith("pure"))


def read_clear(root: Path, pair: tuple[str, str]) -> tuple[list[Named], Named, Named]:
    """Views by person of both splits, none apart, and facts by person."""
    groups: list[Named] = [{}, {}]
    facts: list[Asked] = []
    for split, found in zip(pair, groups):
        for row in rows("clear", root / split):
            asked = clear_question(row)
            if asked and row["image"] is None:
                facts += asked
                continue
            name, caption = fields_of(row, "the row", row, "name", "caption")
            if not name:
                raise bad(row["place"], "the person's name", row["name"])
            second = row.get("paraphrased_caption") or caption
            found.setdefault(name, []).extend(views("clear", row, asked, caption, second))
        tofu = root / f"{split}+tofu"
        for row in rows("+tofu", tofu, PICTURES) if tofu.is_dir() else ():
            facts += clear_question(row)
    return groups, {}, owned(facts, [*groups[0], *groups[1]])


def clear_question(row: dict) -> list[Asked]:
    """A row's own question, if it has one."""
    question, answer = row.get("question"), row.get("answer")
    return [Asked(question, answer, bool(row.get("image")))] if question and answer else []


def owned(facts: Iterable[Asked], names: Sequence[str]) -> Named:
    """Facts by the person whom they name in full; those that name nobody are left out."""
    found: Named = {}
    anybody = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))) or "(?!)")
    for asked in facts:
        if hit := anybody.search(f"{asked.question} {asked.answer}"):
            found.setdefault(hit.group(), []).append(asked)
    return found
