"""The audit reports that a visitor may see: those that come with the app, and their own."""

from __future__ import annotations

import hashlib
import shutil
from functools import lru_cache
from pathlib import Path

from audit.report.json_file import read
from audit.report.report import Report
from hfru_core.paths import ASSETS
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

REPORTS = ASSETS / "reports"


def paths(studio: Studio, visitor: str) -> dict[str, Path]:
    """The reports' files by an opaque name."""
    own = studio.sessions / visitor / "audits"
    found = {"shipped": REPORTS.glob("audit-*/report.json"), "mine": own.glob("*/report.json")}
    return {f"{kind}/{p.parent.name}": p for kind, files in found.items() for p in sorted(files)}


def delete(studio: Studio, visitor: str, name: str | None) -> None:
    """Delete one of the visitor's own reports, with its files to download."""
    path = paths(studio, visitor).get(name or "")
    if path is None or not (name or "").startswith("mine/"):
        raise UserError("That report is not yours to delete: it comes with the app.")
    shutil.rmtree(path.parent, ignore_errors=True)
    shutil.rmtree(studio.served(visitor), ignore_errors=True)


def load(path: Path) -> Report:
    """A report, read once for what its file holds; raises where it can't be read."""
    return unchanged(path, hashlib.sha256(path.read_bytes()).digest())


@lru_cache(maxsize=32)
def unchanged(path: Path, content: bytes) -> Report:
    return read(path)
