"""An output folder that is there whole, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from hfru_core.types import UserError


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
