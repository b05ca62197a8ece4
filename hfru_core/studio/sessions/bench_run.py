"""A part of the benchmark in a process of its own: its command, its progress, a visitor's rows."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from hfru_core import concepts
from hfru_core.bench.results_file import Bench, Row, json_text, load, row_from
from hfru_core.child_process import Child, module
from hfru_core.data.source import DRAWN
from hfru_core.files import write_text
from hfru_core.studio.errors import public
from hfru_core.studio.render.progress import bar
from hfru_core.studio.sessions.runner import clock
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

STAGES = {"unlearn": "unlearning", "evaluate": "asking", "audit": "auditing",
          "relearn": "relearning"}  # fmt: skip
MINE = "bench.json"
STOPPED = ("Stopped", "what was finished stays in the table")
EVERY = 1.0  # seconds between two looks at the clock


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


@dataclass(frozen=True)
class Progress:
    """What the process has told so far: `rows` are finished; `ended` is how it ended, and the share
    that was done."""

    row: str = ""
    stage: str = ""
    rows: int = 0
    of: int = 0
    began: float = field(default_factory=time.monotonic)
    ended: tuple[str, str, float] | None = None

    def after(self, line: dict[str, Any]) -> Progress:
        """With one more line that was told."""
        now = {key: line.get(key, getattr(self, key)) for key in ("row", "stage", "of")}
        return replace(self, **now, rows=self.rows + ("finished" in line))

    def html(self) -> str:
        if self.ended:
            return bar(*self.ended)
        spent = time.monotonic() - self.began
        title = f"{self.row}: {STAGES.get(self.stage, self.stage)}" if self.row else "Starting"
        rows = f"{self.rows} of {self.of} done · " if self.of else ""
        return bar(title, rows + clock(spent), min(1.0, self.rows / max(1, self.of)))


def bench(studio: Studio, visitor: str, wish: Wish, child: Child) -> Iterator[Progress]:
    """Run a part of the benchmark, and keep each row in the visitor's folder as it is finished."""
    folder = studio.folder(visitor)
    out = folder / f"bench-{token_hex(8)}"
    try:
        for progress, finished in follow(child, wish.process(out)):
            if finished is not None and not child.stopped:
                keep(folder, finished)
            yield progress
    finally:
        child.stop()
        shutil.rmtree(out, ignore_errors=True)


def follow(
    child: Child, command: Sequence[str]
) -> Iterator[tuple[Progress, dict[str, Any] | None]]:
    """Run a command; yield its progress with each row as it is finished."""
    progress = Progress()
    yield progress, None
    for line in child.follow(command, EVERY):
        progress = progress.after(line or {})
        yield progress, (line or {}).get("finished")
    yield replace(progress, ended=ending(child, progress)), None


def ending(child: Child, progress: Progress) -> tuple[str, str, float]:
    """How it ended."""
    if child.stopped:
        return *STOPPED, 0.0
    if child.code == 0:
        spent = clock(time.monotonic() - progress.began)
        rows = "1 row" if progress.rows == 1 else f"{progress.rows} rows"
        return "Done", f"{rows} in {spent}", 1.0
    return "Not finished", public(child.message or "the benchmark ended without a word"), 0.0


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
