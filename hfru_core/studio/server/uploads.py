"""Files that visitors send: each lies under a name that only its sender is told.

Gradio names an upload by the hash of its content, which whoever has the same file can compute.
Here each request's files get a random folder, and belong to the visitor who uses them first.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

import gradio.mcp
import gradio.routes
from gradio.route_utils import upload_fn

from hfru_core.types import UserError

FOLDER = "uploads"
UNUSED = 600  # seconds after which a file that no event named is deleted


class Uploads:
    """What lies in `folder`; `owners` tells whose each file is that was used and is still there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owners: dict[Path, str] = {}

    def claim(self, path: str, visitor: str) -> Path:
        """The file, which is this visitor's from now on; raises where it is none of theirs."""
        file = Path(os.path.abspath(path))
        mine = file.is_relative_to(self.folder.absolute()) and file.is_file()
        if not mine or self.owners.setdefault(file, visitor) != visitor:
            raise UserError("That file is no upload of yours, or it is gone: upload it again.")
        return file

    @contextmanager
    def taken(self, path: str, visitor: str) -> Iterator[Path]:
        """The file, to be read once: it is deleted afterwards."""
        file = self.claim(path, visitor)
        try:
            yield file
        finally:
            self.delete(file)

    def delete(self, file: Path) -> None:
        """Delete a file, and its folder once that is empty."""
        file.unlink(missing_ok=True)
        self.owners.pop(file, None)
        with suppress(OSError):  # other files of the same request are still there
            file.parent.rmdir()
            file.parent.parent.rmdir()

    def discard(self, visitor: str) -> None:
        """Delete what the visitor has sent."""
        for file, owner in list(self.owners.items()):
            if owner == visitor:
                self.delete(file)

    def expire(self, older_than: float = UNUSED) -> None:
        """Delete what nobody has used for so many seconds."""
        for file in list(self.owners):
            if not file.exists():  # Gradio deletes them after an hour
                self.owners.pop(file, None)
        owned = {file.parent.parent for file in list(self.owners)}
        for folder in self.folder.glob("*"):
            with suppress(OSError):  # somebody else deleted it
                if folder not in owned and time.time() - folder.stat().st_mtime >= older_than:
                    shutil.rmtree(folder)


def hide(cache: Path) -> None:
    """Let Gradio store each request's uploads, and what comes over MCP, under random names."""

    async def hidden(request: Any, folder: str, *args: Any, **more: Any) -> Any:
        return await upload_fn(request, str(Path(folder, FOLDER, token_hex(16))), *args, **more)

    gradio.routes.upload_fn = hidden  # type: ignore[assignment]
    # All of MCP's clients are one visitor. Gradio read its folder when it was imported.
    gradio.mcp.DEFAULT_TEMP_DIR = str(cache / FOLDER / token_hex(16))
