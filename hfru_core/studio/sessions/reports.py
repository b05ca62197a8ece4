"""The audit reports that a visitor may see: those that come with the app, and their own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from audit.report.json_file import read
from audit.report.report import Report
from hfru_core.paths import ASSETS
from hfru_core.studio.sessions.studio import Studio

REPORTS = ASSETS / "reports"


def paths(studio: Studio, visitor: str) -> dict[str, Path]:
    """The reports' files by an opaque name."""
    own = studio.sessions / visitor / "audits"
    found = {"shipped": REPORTS.glob("audit-*/report.json"), "mine": own.glob("*/report.json")}
    return {f"{kind}/{p.parent.name}": p for kind, files in found.items() for p in sorted(files)}


def load(path: Path) -> Report:
    """A report, read once as long as its file stays the same; raises where it can't be read."""
    return unchanged(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def unchanged(path: Path, changed: int) -> Report:
    return read(path)
