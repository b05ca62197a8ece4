"""An audit in a process of its own, followed from the app: it can be stopped at once, nobody
else's randomness gets into it, and its memory is given back."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import IO

from hfru_core.paths import ROOT

PARENT = "HFRU_PARENT"


@dataclass
class Run:
    """An audit that waits or is under way, so that it can be stopped from elsewhere."""

    process: subprocess.Popen | None = None
    stopped: bool = False

    def stop(self) -> None:
        self.stopped = True
        if self.process:
            self.process.kill()


@dataclass
class Progress:
    """What the process has told so far."""

    audits: list[str] = field(default_factory=list)
    done: int = 0
    found: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: tuple[str, str] | None = None

    def hear(self, line: dict) -> None:
        self.audits = line.get("audits", self.audits)
        self.done = line.get("done", self.done)
        self.found += line.get("finding") is not None

    @property
    def share(self) -> float:
        return self.done / max(1, len(self.audits))

    def told(self) -> tuple[str, str]:
        """What is going on, and how far: findings, the time spent, what is left by the pace."""
        if self.ended:
            return self.ended
        spent = time.monotonic() - self.began
        pace = spent / max(1, self.done)
        left = f" · about {pace * (len(self.audits) - self.done):.0f} s left" if self.done else ""
        title = self.audits[self.done] if self.done < len(self.audits) else "Loading the models"
        return f"Audit: {title}", f"{self.found} findings · {spent:.0f} s{left}"

    def html(self) -> str:
        """The same as a bar, and the audits with a mark each."""
        if self.ended:
            return status(*self.ended)
        marks = " ".join(
            f'<span class="chip {"abstract" if i < self.done else "same"}">'
            f"{'✓' if i < self.done else '…' if i == self.done else ''} {escape(name)}</span>"
            for i, name in enumerate(self.audits)
        )
        return status(*self.told(), self.share) + f'<p class="tally">{marks}</p>'


def command(model: Path, folder: Path, depth: str, out: Path) -> list[str]:
    """The audit on the command line."""
    more = ["--deep"] if depth == "deep" else []
    paths = [str(p.absolute()) for p in (folder, model, out)]
    return [
        sys.executable,
        "-m",
        "audit",
        paths[0],
        "--model",
        paths[1],
        "--out",
        paths[2],
        "--events",
        *more,
    ]


def follow(run: Run, asked: list[str]) -> Iterator[str]:
    """Start a process and tell its progress as HTML; the last is an error where there was one."""
    return (progress.html() for progress in listen(run, asked))


def listen(run: Run, asked: list[str], every: float | None = None) -> Iterator[Progress]:
    """Start a process and tell its progress; the last has `ended` where there is no report.

    With `every`, it is told that often too while nothing happens: whoever listens can leave then.
    """
    progress = Progress()
    yield progress
    with tempfile.TemporaryFile("w+") as errors:
        run.process = subprocess.Popen(
            asked, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        if run.stopped:  # While the process was being made.
            run.process.kill()
        with run.process:
            try:
                for line in lines(run.process.stdout, every):
                    if line:
                        progress.hear(json.loads(line))
                    yield progress
            except GeneratorExit:  # Nobody listens any more, and leaving waits for the process.
                run.stop()
                raise
        progress.ended = ending(run, errors)
    if progress.ended:
        yield progress


def lines(stream: IO[str], every: float | None) -> Iterator[str | None]:
    """The lines as they come, and None whenever there was none for so many seconds."""
    told: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            told.put(line)
        told.put("")

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = told.get(timeout=every)
        except queue.Empty:
            yield None
            continue
        if not line:
            return
        yield line


def ending(run: Run, errors: IO[str]) -> tuple[str, str] | None:
    """Why there is no report, None where there is one."""
    if run.stopped:
        return "Stopped", "no verdict, no report"
    if run.process.returncode == 2 or run.process.returncode < 0:
        return "Not finished", reason(errors)
    return None


def environment() -> dict[str, str]:
    """What a process is told that shall not outlive this one, however this one ends."""
    return {**os.environ, PARENT: str(os.getpid())}


def end_with_parent() -> None:
    """End this process soon after the one that asked for it: a killed app leaves no work behind."""
    parent = os.environ.pop(PARENT, "")

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os._exit(2)

    if parent:
        threading.Thread(target=watch, name="parent", daemon=True).start()


def reason(errors: IO[str]) -> str:
    """The message of a process that refused."""
    errors.seek(0)
    told = [line for line in errors.read().splitlines() if line.startswith("error: ")]
    return told[-1].removeprefix("error: ") if told else "the audit ended without a word"


def status(title: str, detail: str, share: float = 0.0) -> str:
    """The bar with what is going on."""
    return (
        f'<div class="status" role="status"><div class="top"><b>{escape(title)}</b>'
        f"<span>{escape(detail)}</span></div>"
        f'<div class="bar"><i style="width:{100 * share:.1f}%"></i></div></div>'
    )
