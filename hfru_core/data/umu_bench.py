"""UMU-Bench: MLLMU-Bench's folders, with Python literals in strings where that has JSON."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hfru_core.data.benchmark_parquet import PICTURES, Asked, Named, bad, fields_of, rows, views
from hfru_core.language.mentions import mentions

TASKS = ("MM_QA", "UM_QA", "Classify", "Cloze", "Generation")
LONGEST = 2**20  # letters of a literal


def read_umu(root: Path, pair: tuple[str, str]) -> tuple[list[Named], Named, Named]:
    """Views by person of both splits and of Test_Set, and facts by person."""
    names: dict[str, str] = {}
    facts: Named = {}
    for folder in (*pair, "Test_Set", "Full_Set"):
        for row in rows("umu", root / folder, PICTURES) if (root / folder).is_dir() else ():
            names[str(row["ID"])] = name_of(row)
    groups = [persons(root / split, names, facts) for split in pair]
    test = root / "Test_Set"
    return groups, persons(test, names, facts) if test.is_dir() else {}, facts


def persons(folder: Path, names: dict[str, str], facts: Named) -> Named:
    """The views of a split by person; what is asked in words goes to `facts`."""
    found: Named = {}
    for row in rows("umu", folder):
        name = names[str(row["ID"])]
        asked = dict.fromkeys(questions(row, name))
        facts.setdefault(name, []).extend(a for a in asked if not a.pictured)
        found.setdefault(name, []).extend(views("umu", row, [a for a in asked if a.pictured]))
    return found


def questions(row: dict, name: str) -> Iterator[Asked]:
    """What a row asks; a question that gives the name itself needs no picture."""
    given = (name, name.split()[-1])
    for column in TASKS:
        if row.get(column) is None:
            continue
        task = literal(row, column)
        fields = {"question", "answer"}
        if not isinstance(task, dict) or not fields <= set(task):
            raise bad(row["place"], f"'question' and 'answer' in {column}", task)
        asked, answers = (by_key(task[f]) for f in ("question", "answer"))
        if gone := set(asked) - set(answers):
            raise bad(row["place"], f"an answer to question {min(gone)} in {column}", "none")
        for key, question in asked.items():
            if question and answers[key]:
                pictured = column != "UM_QA" and not mentions(question, given)
                yield Asked(question, answers[key], pictured)


def by_key(values: Any) -> dict[str, str]:
    """The texts of a task by their keys; a single text has the key ''."""
    pairs = values.items() if isinstance(values, dict) else [("", values)]
    return {str(k): str(v or "").strip() for k, v in pairs}


def name_of(row: dict) -> str:
    """Whom a row is about: the Name of its Biography, a record or a text."""
    known = literal(row, "Biography")
    if isinstance(known, dict):
        return fields_of(row, "Biography", {str(k).lower(): v for k, v in known.items()}, "name")[0]
    found = re.search(r"\bname\W+(\w[^,;\n]*)", str(known), re.I)
    if not found:
        raise bad(row["place"], "a Name in Biography", known)
    return found[1].strip().rstrip(".")


def literal(row: dict, column: str) -> Any:
    """What the Python literal in a column holds; other text, and no text, as it is."""
    value = row.get(column)
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[", "'", '"')):
        return value
    if len(value) > LONGEST:
        raise bad(row["place"], f"at most {LONGEST} letters in {column}", len(value))
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise bad(
            row["place"], f"a Python literal in {column}", f"{value[:60]} ({error})"
        ) from None
