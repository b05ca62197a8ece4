"""A part of the benchmark in a process of its own: asked for, followed, stopped at once."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hfru_core import concepts
from hfru_core.bench import jobs
from hfru_core.bench.results_file import Bench, Row, json_text, load, row_from
from hfru_core.child_process import environment, status
from hfru_core.data.source import DRAWN
from hfru_core.paths import ROOT
from hfru_core.studio.sessions.runner import clock
from hfru_core.types import UserError

STAGES = {"unlearn": "unlearning", "evaluate": "asking", "audit": "auditing",
          "relearn": "relearning"}  # fmt: skip
MINE = "bench.json"


@dataclass(frozen=True)
class Wish:
    """What a visitor wants to run; with 0 steps, every method takes its own."""

    methods: tuple[str, ...]
    task: str
    seed: int = 0
    steps: int = 0
    model: Path | None = None

    def check(self) -> None:
        """Raise where it cannot be."""
        if not jobs.parse(",".join(self.methods)):
            raise UserError("Choose at least one method to run.")
        concepts.parse(self.task, DRAWN.known_concepts())

    def asked(self) -> list[str]:
        """What the command line is told."""
        asked = ["-m", "hfru_core", "bench", "--methods", ",".join(self.methods)]
        asked += ["--tasks", self.task, "--seeds", str(self.seed)]
        asked += ["--steps", str(self.steps)] * bool(self.steps)
        return asked + ["--model", str(self.model)] * bool(self.model)

    def command(self) -> str:
        """The command that does it, to be read."""
        return shlex.join(["python", *self.asked(), "--out", "runs/bench"])

    def process(self, out: Path) -> list[str]:
        """The same as it is run here."""
        out_there = ["--out", str(out.absolute()), "--events", "--json"]
        return [sys.executable, *self.asked(), *out_there]


@dataclass
class Run:
    """A process that waits or is under way, so that it can be stopped from elsewhere."""

    process: subprocess.Popen | None = None
    stopped: bool = False

    def stop(self) -> None:
        """End it now, and whatever it has started."""
        self.stopped = True
        if self.process and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


@dataclass
class Progress:
    """What the process has told so far."""

    row: str = ""
    stage: str = ""
    done: int = 0
    of: int = 0
    began: float = field(default_factory=time.monotonic)

    def hear(self, line: dict) -> None:
        for key in ("row", "stage", "done", "of"):
            setattr(self, key, line.get(key, getattr(self, key)))
        self.done += "finished" in line and "done" not in line

    def html(self) -> str:
        spent = time.monotonic() - self.began
        title = f"{self.row}: {STAGES.get(self.stage, self.stage)}" if self.row else "Starting"
        told = f"{self.done} of {self.of} done · " if self.of else ""
        return status(title, told + clock(spent), min(1.0, self.done / max(1, self.of)))


def follow(run: Run, asked: list[str]) -> Iterator[tuple[str, dict | None]]:
    """Start a process; tell its progress as HTML and each row as it is finished."""
    progress = Progress()
    yield progress.html(), None
    with tempfile.TemporaryFile("w+") as errors:
        run.process = subprocess.Popen(
            asked,
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        if run.stopped:  # While the process was being made.
            run.stop()
        with run.process:
            for line in filter(None, map(event, run.process.stdout)):
                progress.hear(line)
                yield progress.html(), line.get("finished")
        yield ending(run, progress, errors), None


def event(line: str) -> dict | None:
    """What a line tells; a library may print others in between."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and ("row" in told or "finished" in told) else None


def ending(run: Run, progress: Progress, errors: IO[str]) -> str:
    """How it ended."""
    if run.stopped:
        return status("Stopped", "what was finished stays in the table")
    if run.process.returncode == 0:
        spent = clock(time.monotonic() - progress.began)
        return status("Done", f"{progress.done} rows in {spent}", 1.0)
    errors.seek(0)
    told = [line for line in errors.read().splitlines() if line.startswith("error: ")]
    said = told[-1].removeprefix("error: ") if told else "the benchmark ended without a word"
    return status("Not finished", said)


# A visitor's own rows


def rows_of(folder: Path) -> tuple[Row, ...]:
    """What a visitor has run, from their folder."""
    path = folder / MINE
    found = load(path).rows if path.is_file() else ()
    return tuple(row_from(r.raw, mine=True) for r in found)


def keep(folder: Path, finished: dict) -> None:
    """Add a row to the visitor's; the same run, made again, takes the place of the first."""
    try:
        row = row_from(finished, mine=True)
    except ValueError as error:
        raise UserError(f"The benchmark gave a row that cannot be read: {error}.") from None
    others = tuple(r for r in rows_of(folder) if identity(r) != identity(row))
    part = folder / f"{MINE}.part"
    part.write_text(json_text(Bench(rows=(*others, row))), encoding="utf-8")
    part.replace(folder / MINE)


def identity(row: Row) -> tuple:
    return row.method, row.variant, row.scope, row.budget, row.steps, row.task, row.seed
