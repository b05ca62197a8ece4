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
# What part of an audit's time each check takes, measured on the bundled model; others take OTHER.
PARTS = {
    "weights": 1, "encoder": 30, "behavior": 55, "confusion": 1, "probes": 40, "geometry": 5,
    "lens": 37, "images": 20, "quantize": 25, "relearn": 230, "patching": 5, "reconstruct": 15,
    "pgd": 63, "membership": 9,
}  # fmt: skip
OTHER = 10
KNOWN = 0.1  # the part after which its pace is known


@dataclass(frozen=True)
class Progress:
    """What the process has told so far; `report` is the folder of a finished one, `ended` says why
    there is none."""

    audits: tuple[str, ...] = ()
    done: int = 0
    findings: int = 0
    began: float = field(default_factory=time.monotonic)
    reached: float = 0.0  # seconds until the last check was done
    ended: tuple[str, str] | None = None
    report: Path | None = None

    def after(self, line: dict[str, Any]) -> Progress:
        """With one more line that was told."""
        done = line.get("done", self.done)
        return replace(
            self,
            audits=tuple(line.get("audits", self.audits)),
            done=done,
            findings=self.findings + (line.get("finding") is not None),
            reached=self.reached if done == self.done else time.monotonic() - self.began,
        )

    @property
    def share(self) -> float:
        """The part of its time that is over, as far as checks are done."""
        return self.parts(0, self.done) / max(1, self.parts(0, len(self.audits)))

    def parts(self, start: int, end: int) -> int:
        return sum(PARTS.get(name, OTHER) for name in self.audits[start:end])

    def left(self) -> str:
        """The time that is left by the pace so far; nothing before that is known."""
        if self.share < KNOWN:
            return ""
        each = self.reached / self.parts(0, self.done)
        spent_here = time.monotonic() - self.began - self.reached
        here = max(0.0, each * self.parts(self.done, self.done + 1) - spent_here)
        rest = here + each * self.parts(self.done + 1, len(self.audits))
        return f" · about {max(10, round(rest, -1)):.0f} s left"

    def title_and_detail(self) -> tuple[str, str]:
        """What is going on, and how far: findings, the time spent, what is left by the pace."""
        if self.ended:
            return self.ended
        spent = time.monotonic() - self.began
        title = self.audits[self.done] if self.done < len(self.audits) else "Loading the models"
        return f"Audit: {title}", f"{self.findings} findings · {spent:.0f} s{self.left()}"

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
