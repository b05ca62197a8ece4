"""Files and folders that are whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from safetensors import SafetensorError

from hfru_core.types import UserError


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside, then rename: the file is never half there."""
    beside = path.with_name(path.name + ".new")
    try:
        write(beside)
        os.replace(beside, path)
    except (OSError, SafetensorError) as error:
        beside.unlink(missing_ok=True)
        raise UserError(
            f"The checkpoint could not be written: {reason(error)}. Free some space (or "
            "choose another --out) and repeat the command: it goes on from the last checkpoint."
        ) from None


def reason(error: Exception) -> str:
    """What the system says, without the error's number."""
    return str(getattr(error, "strerror", None) or error)


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """A folder of that name to fill; it is put in place at the end, or is gone if that fails.

    Raises where `out` exists or cannot be written.
    """
    if out.exists():
        raise UserError(f"'{out}' exists and is not overwritten. Choose another.")
    work = out.with_name(f"{out.name}.{token_hex(4)}.part")
    folder = work / out.name
    try:
        folder.mkdir(parents=True)
        yield folder
        os.rename(folder, out)
    except OSError as error:
        raise UserError(f"'{out}' cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
