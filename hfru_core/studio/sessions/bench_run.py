"""A part of the benchmark in a process of its own: its command, its progress, a visitor's rows."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hfru_core import concepts
from hfru_core.bench.results_file import Bench, Row, json_text, load, row_from
from hfru_core.child_process import Child, module
from hfru_core.data.source import DRAWN
from hfru_core.files import write_text
from hfru_core.studio.errors import public
from hfru_core.studio.render.progress import bar
from hfru_core.studio.sessions.runner import clock
from hfru_core.types import UserError

STAGES = {"unlearn": "unlearning", "evaluate": "asking", "audit": "auditing",
          "relearn": "relearning"}  # fmt: skip
MINE = "bench.json"
STOPPED = ("Stopped", "what was finished stays in the table")


@dataclass(frozen=True)
class Wish:
    """The methods that a visitor wants to run; 0 steps means each method's own number."""

    methods: tuple[str, ...]
    task: str
    seed: int = 0
    steps: int = 0
    model: Path | None = None

    def check(self) -> None:
        """Raise where it cannot be run."""
        from hfru_core.studio.sessions.torch_side import jobs

        if not jobs.parse(",".join(self.methods)):
            raise UserError("Choose at least one method to run.")
        concepts.parse(self.task, DRAWN.known_concepts())

    def arguments(self) -> list[str]:
        """The subcommand and its options."""
        asked = ["bench", "--methods", ",".join(self.methods), "--tasks", self.task]
        asked += ["--seeds", str(self.seed), *["--steps", str(self.steps)] * bool(self.steps)]
        return asked + ["--model", str(self.model)] * bool(self.model)

    def command(self) -> str:
        """The command line, for people."""
        return shlex.join(["python", "-m", "hfru_core", *self.arguments(), "--out", "runs/bench"])

    def process(self, out: Path) -> list[str]:
        """The command line that is run here."""
        events = ["--out", str(out.absolute()), "--events", "--json"]
        return module("hfru_core", *self.arguments(), *events)


@dataclass
class Progress:
    """What the process has told so far."""

    row: str = ""
    stage: str = ""
    done: int = 0
    of: int = 0
    began: float = field(default_factory=time.monotonic)

    def update(self, line: dict[str, Any]) -> None:
        for key in ("row", "stage", "done", "of"):
            setattr(self, key, line.get(key, getattr(self, key)))
        self.done += "finished" in line and "done" not in line

    def html(self) -> str:
        spent = time.monotonic() - self.began
        title = f"{self.row}: {STAGES.get(self.stage, self.stage)}" if self.row else "Starting"
        rows = f"{self.done} of {self.of} done · " if self.of else ""
        return bar(title, rows + clock(spent), min(1.0, self.done / max(1, self.of)))


def follow(child: Child, command: Sequence[str]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Run a part of the benchmark; yield its progress as HTML and each row as it is finished."""
    progress = Progress()
    yield progress.html(), None
    for line in child.follow(command):
        if line and ("row" in line or "finished" in line):
            progress.update(line)
            yield progress.html(), line.get("finished")
    yield ending(child, progress), None


def ending(child: Child, progress: Progress) -> str:
    """How it ended."""
    if child.stopped:
        return bar(*STOPPED)
    if child.code == 0:
        spent = clock(time.monotonic() - progress.began)
        rows = "1 row" if progress.done == 1 else f"{progress.done} rows"
        return bar("Done", f"{rows} in {spent}", 1.0)
    return bar("Not finished", public(child.message or "the benchmark ended without a word"))


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
    write_text(folder / MINE, json_text(Bench(rows=(*others, row))))


def identity(row: Row) -> tuple:
    return row.method, row.variant, row.scope, row.budget, row.steps, row.task, row.seed
