"""Files and folders that are whole or not there, and what is told where one cannot be used."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any, NoReturn

from safetensors import SafetensorError

from hfru_core.types import UserError

MOST_BYTES = 64 * 2**20  # of a JSON file
LONGEST = 300  # letters of what a library says about a file
NOT_OURS = (UserError, KeyboardInterrupt, SystemExit, GeneratorExit)
PART = ".part"  # of a folder that is being made, or was when its process was killed


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside, then rename it: the file is never half there."""
    beside = path.with_name(path.name + ".new")
    try:
        write(beside)
        os.replace(beside, path)
    except (OSError, SafetensorError) as error:
        beside.unlink(missing_ok=True)
        raise UserError(
            f"'{path.name}' could not be written: {reason(error)}. Free some space, or choose "
            "another folder, and repeat the command: it goes on from what is finished."
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, or leave the one that is there."""
    write_file(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def read_json(path: Path, most: int = MOST_BYTES) -> Any:
    """What a JSON file holds; raises where it cannot be read, has more than `most` bytes, or holds
    NaN or infinity."""
    where = f"{path.parent.name}/{path.name}"  # not the whole path: visitors may see it
    try:
        if (size := path.stat().st_size) > most:
            raise UserError(f"'{where}' has {size} bytes; at most {most} are read.")
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse_constant)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"'{where}' cannot be read: {reason(error)}.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"'{where}' is not a JSON file: {error}. Was it cut short?") from None


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def dumps(value: object) -> str:
    """A value as JSON on one line; NaN and infinity raise `ValueError`."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def expect(fine: bool, value: Any, wanted: str, where: str) -> Any:
    """The value, or a `ValueError` that names its place."""
    if not fine:
        raise ValueError(f"{where}: expected {wanted}, got {value!r:.80}")
    return value


def reason(error: Exception) -> str:
    """What the system says, without the error's number."""
    return str(getattr(error, "strerror", None) or error)


def free_name(folder: Path, stem: str) -> Path:
    """A path that is not taken: STEM, STEM-2, ...; what is half made (.part) keeps its name."""
    taken = {p.name.removesuffix(PART) for p in folder.glob("*")}
    names = (stem if i == 1 else f"{stem}-{i}" for i in count(1))
    return next(folder / name for name in names if name not in taken)


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A folder of that name to fill; it is put in place at the end, or is gone if that fails.

    Raises where `out` exists or cannot be written.
    """
    if out.exists():
        raise UserError(f"'{out}' exists and is not overwritten. Choose another.")
    work = out.with_name(f"{out.name}.{token_hex(4)}{PART}")
    folder = work / out.name
    try:
        folder.mkdir(parents=True)
        yield folder
        os.rename(folder, out)
    except OSError as error:
        raise UserError(f"'{out}' cannot be written: {reason(error)}.") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def one_line(what: str, way: str) -> Iterator[None]:
    """Raise a `UserError` of one line where a library fails: what, its own words, a way out.

    Of `BaseException` too: a panic of a library in Rust is no `Exception`.
    """
    try:
        yield
    except NOT_OURS:
        raise
    except BaseException as error:
        raise UserError(f"{what}: {said(error)}. {way}") from error


def said(error: BaseException) -> str:
    """An error's kind and its words, on one line and cut short."""
    words = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, MemoryError):
        words = words or "more memory would be needed than there is"
    short = words if len(words) <= LONGEST else words[:LONGEST] + "..."
    return f"{type(error).__name__}: {short}" if short else type(error).__name__
