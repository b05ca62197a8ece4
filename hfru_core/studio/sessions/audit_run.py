"""An audit in a process of its own: its command, its progress, how it ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

from hfru_core.child_process import Child, module
from hfru_core.files import PART, free_name
from hfru_core.studio.errors import public
from hfru_core.studio.render.progress import bar
from hfru_core.studio.sessions.studio import Studio

STOPPED = ("Stopped", "no verdict, no report")
EVERY = 1.0  # seconds between two looks at the clock


@dataclass(frozen=True)
class Progress:
    """What the process has told so far; `report` is the folder of a finished one, `ended` says why
    there is none."""

    audits: tuple[str, ...] = ()
    done: int = 0
    findings: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: tuple[str, str] | None = None
    report: Path | None = None

    def after(self, line: dict[str, Any]) -> Progress:
        """With one more line that was told."""
        return replace(
            self,
            audits=tuple(line.get("audits", self.audits)),
            done=line.get("done", self.done),
            findings=self.findings + (line.get("finding") is not None),
        )

    @property
    def share(self) -> float:
        return self.done / max(1, len(self.audits))

    def title_and_detail(self) -> tuple[str, str]:
        """What is going on, and how far: findings, the time spent, what is left by the pace."""
        if self.ended:
            return self.ended
        spent = time.monotonic() - self.began
        pace = spent / max(1, self.done)
        left = f" · about {pace * (len(self.audits) - self.done):.0f} s left" if self.done else ""
        title = self.audits[self.done] if self.done < len(self.audits) else "Loading the models"
        return f"Audit: {title}", f"{self.findings} findings · {spent:.0f} s{left}"

    def html(self) -> str:
        """The same as a bar, and the audits with a mark each."""
        if self.report:
            return bar("Done", "the report is open", 1.0)
        if self.ended:
            return bar(*self.ended)
        marks = " ".join(
            f'<span class="chip {"abstract" if i < self.done else "same"}">'
            f"{'✓' if i < self.done else '…' if i == self.done else ''} {escape(name)}</span>"
            for i, name in enumerate(self.audits)
        )
        return bar(*self.title_and_detail(), self.share) + f'<p class="tally">{marks}</p>'


def command(
    model: Path, folder: Path, depth: str, out: Path, source: str | None = None
) -> list[str]:
    """The audit on the command line, on new drawn pictures unless it has a source of others."""
    adapter, base, report = (str(p.absolute()) for p in (folder, model, out))
    asked = [adapter, "--model", base, "--out", report, "--events"]
    asked += ["--data", source] if source else []
    return module("audit", *asked, *["--deep"] * (depth == "deep"))


def audit(
    studio: Studio, visitor: str, adapter: Path, depth: str, child: Child
) -> Iterator[Progress]:
    """Run an audit of a visitor's and yield its progress; nothing half made remains."""
    out = free_name(studio.folder(visitor) / "audits", f"{adapter.name}-{depth}")
    progress = Progress()
    try:
        source = studio.own_pictures(visitor, adapter)
        for progress in listen(
            child, command(studio.base_of(adapter), adapter, depth, out, source)
        ):
            yield progress
        if (out / "report.json").is_file():
            yield replace(progress, report=out)
    finally:
        child.stop()
        for part in out.parent.glob(f"{out.name}.*{PART}"):
            shutil.rmtree(part, ignore_errors=True)


def listen(child: Child, command: Sequence[str], every: float = EVERY) -> Iterator[Progress]:
    """Run a command and yield its progress, also where it was silent for so many seconds; the last
    has `ended` where there is no report."""
    progress = Progress()
    yield progress
    for line in child.follow(command, every):
        progress = progress.after(line or {})
        yield progress
    if ended := ending(child):
        yield replace(progress, ended=ended)


def ending(child: Child) -> tuple[str, str] | None:
    """Why there is no report, None where there is one."""
    if child.stopped:
        return STOPPED
    if child.code is None or child.code == 2 or child.code < 0:
        return "Not finished", public(child.message or "the audit ended without a word")
    return None
