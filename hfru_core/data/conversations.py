"""Pictures that instruction data talks about, in LLaMA-Factory's layouts: `json:FILE.json`.

Alpaca (`instruction`, `input`, `output`) and ShareGPT (`conversations`, `messages`) with `images`,
as a list in JSON or a line each in JSONL. A row's picture goes by the `label` that the row gives
(`label=KEY` for another key), else by the one name that its answers have: of the shipped concepts,
or of `names=dog|cat`. Paths are found below the file's folder, or below `images=DIR`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hfru_core.concepts import shipped
from hfru_core.data.collection import Labelled
from hfru_core.data.image_tree import SPLITS, split_in
from hfru_core.files import MOST_BYTES, read_json
from hfru_core.language.mentions import mentions
from hfru_core.types import UserError

OPTIONS = ("images", "label", "names")
SAYS = ("gpt", "assistant", "model")


def labelled(file: Path, options: Mapping[str, str]) -> Iterator[Labelled]:
    """The labelled pictures of a file; those of rows with none or several have no label."""
    if not file.is_file():
        raise UserError(f"There is no file '{file}'. Give it as json:FILE.json.")
    root, named = Path(options.get("images", file.parent)), names_of(options)
    for number, row in enumerate(entries(file)):
        if not isinstance(row, dict):
            raise UserError(f"'{file.name}#{number}': expected an object, got {row!r:.80}.")
        told = row.get("images") or row.get("image") or []
        paths = [told] if isinstance(told, str) else told
        alone = isinstance(paths, list) and len(paths) == 1 and isinstance(paths[0], str)
        path = below(root, paths[0]) if alone else None
        label = label_of(row, options.get("label", "label"), named) if alone else ""
        key = f"file:{path or root / Path(paths[0]).name}" if alone else ""
        split = SPLITS.get(str(row.get("split")).lower()) or split_in(file)
        yield Labelled(key, label, split, None, path.read_bytes() if path and label else b"")


def entries(file: Path) -> list[Any]:
    """The rows of a JSON list, or of a file with an object a line."""
    if file.suffix != ".jsonl":
        rows = read_json(file)
    elif file.stat().st_size > MOST_BYTES:
        raise UserError(f"'{file.name}' has more than the {MOST_BYTES} bytes that are read.")
    else:
        lines = file.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    if not isinstance(rows, list):
        raise UserError(f"'{file.name}': expected a list of rows, got {type(rows).__name__}.")
    return rows


def names_of(options: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The words of each name that answers are searched for."""
    known = {c.name: c.aliases for c in shipped().values()}
    if "names" not in options:
        return known
    names = [n.strip() for n in options["names"].split("|")]
    return {n: known.get(n, (n,)) for n in names}


def label_of(row: Mapping[str, Any], key: str, named: Mapping[str, tuple[str, ...]]) -> str:
    """The label that a row gives, else the one name in its answers; "" for none or several."""
    if isinstance(row.get(key), str):
        return row[key].strip()
    said = " ".join(answers(row))
    found = [name for name, words in named.items() if mentions(said, words)]
    return found[0] if len(found) == 1 else ""


def answers(row: Mapping[str, Any]) -> Iterator[str]:
    """What the assistant says in a row."""
    if isinstance(row.get("output"), str):
        yield row["output"]
    for turn in row.get("messages") or row.get("conversations") or ():
        said = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
        if isinstance(said, str) and turn.get("role", turn.get("from")) in SAYS:
            yield said


def below(root: Path, path: str) -> Path | None:
    """The file below a folder whose path ends like this one, as much of it as fits; or None."""
    parts = [p for p in Path(path).parts if p not in ("/", ".")]
    for start in range(len(parts)):
        file = root.joinpath(*parts[start:])
        if file.is_file() and file.resolve().is_relative_to(root.resolve()):
            return file
    return None
