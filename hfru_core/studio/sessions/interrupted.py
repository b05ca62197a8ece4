"""What a visitor asked for, kept beside the checkpoint: a session that was cut off can go on."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from hfru_core import concepts as words

PART = ".part"
FILE = "wish.json"


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for."""

    names: tuple[str, ...]
    preset: str = "default"
    seed: int = 0
    steps: int | None = None
    scope: str | None = "encoder"
    source: str = "world"

    def command(self) -> str:
        """The same on the command line."""
        names = ",".join(self.names)
        folder = f"runs/no-{words.slug('_'.join(self.names)) or 'what'}"
        parts = ["python", "-m", "hfru_core", "unlearn", "--forget", names, "--preset", self.preset]
        parts += ["--seed", str(self.seed)] + ["--steps", str(self.steps)] * bool(self.steps)
        parts += ["--scope", self.scope] * bool(self.scope)
        parts += ["--data", "folder:PICTURES"] * (self.source != "world")
        return shlex.join([*parts, "--out", folder])


def keep(wish: Wish, work: Path) -> None:
    """Write the wish beside the checkpoint; the file is never half there."""
    part = work / f"{FILE}.new"
    part.write_text(json.dumps(asdict(wish)), encoding="utf-8")
    part.replace(work / FILE)


def kept(work: Path) -> Wish | None:
    """The wish that lies there, None where there is none."""
    try:
        told = json.loads((work / FILE).read_text(encoding="utf-8"))
        return Wish(**{**told, "names": tuple(told["names"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def steps_done(work: Path) -> int:
    """How far the checkpoint is; 0 where there is none yet."""
    try:
        return int(json.loads((work / "session.json").read_text(encoding="utf-8"))["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def labels(runs: Path) -> list[tuple[str, str]]:
    """The sessions that were cut off, for a dropdown: (what a person reads, folder's name)."""
    found = ((p, kept(p)) for p in sorted(runs.glob(f"*{PART}")))
    return [
        (f"{', '.join(w.names)}, seed {w.seed}: {steps_done(p)} steps done", p.name)
        for p, w in found
        if w
    ]
