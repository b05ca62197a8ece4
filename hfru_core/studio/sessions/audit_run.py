"""An audit in a process of its own: its command, its progress, how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from hfru_core.child_process import Child, module
from hfru_core.studio.errors import public
from hfru_core.studio.render.progress import bar

STOPPED = ("Stopped", "no verdict, no report")


@dataclass
class Progress:
    """What the process has told so far; `ended` says why there is no report."""

    audits: list[str] = field(default_factory=list)
    done: int = 0
    findings: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: tuple[str, str] | None = None

    def update(self, line: dict[str, Any]) -> None:
        self.audits = line.get("audits", self.audits)
        self.done = line.get("done", self.done)
        self.findings += line.get("finding") is not None

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
        if self.ended:
            return bar(*self.ended)
        marks = " ".join(
            f'<span class="chip {"abstract" if i < self.done else "same"}">'
            f"{'✓' if i < self.done else '…' if i == self.done else ''} {escape(name)}</span>"
            for i, name in enumerate(self.audits)
        )
        return bar(*self.title_and_detail(), self.share) + f'<p class="tally">{marks}</p>'


def command(model: Path, folder: Path, depth: str, out: Path) -> list[str]:
    """The audit on the command line."""
    adapter, base, report = (str(p.absolute()) for p in (folder, model, out))
    asked = [adapter, "--model", base, "--out", report, "--events"]
    return module("audit", *asked, *["--deep"] * (depth == "deep"))


def listen(child: Child, command: Sequence[str], every: float | None = None) -> Iterator[Progress]:
    """Run an audit and yield its progress; the last has `ended` where there is no report.

    With `every`, also that often in seconds while nothing happens: a listener can leave then.
    """
    progress = Progress()
    yield progress
    for line in child.follow(command, every):
        progress.update(line or {})
        yield progress
    progress.ended = ending(child)
    if progress.ended:
        yield progress


def ending(child: Child) -> tuple[str, str] | None:
    """Why there is no report, None where there is one."""
    if child.stopped:
        return STOPPED
    if child.code is None or child.code == 2 or child.code < 0:
        return "Not finished", public(child.message or "the audit ended without a word")
    return None
