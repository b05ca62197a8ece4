"""A visitor's request, kept beside the checkpoint: an interrupted session can go on."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from hfru_core import concepts as words
from hfru_core.data.source import parse_source
from hfru_core.files import PART, read_json, write_text

FILE = "wish.json"


@dataclass(frozen=True)
class Wish:
    """A request to unlearn, as a visitor's form holds it."""

    names: tuple[str, ...]
    preset: str = "default"
    seed: int = 0
    steps: int | None = None
    scope: str | None = "encoder"
    source: str = "world"
    photo: bool = False  # whether the model of photographs shall forget

    @property
    def own(self) -> bool:
        """Whether it is about the visitor's own pictures."""
        return parse_source(self.source).distils

    def command(self) -> str:
        """The same on the command line."""
        names = ",".join(self.names)
        folder = f"runs/no-{words.slug('_'.join(self.names)) or 'what'}"
        parts = ["python", "-m", "hfru_core", "unlearn", "--forget", names, "--preset", self.preset]
        parts += ["--seed", str(self.seed)] + ["--steps", str(self.steps)] * bool(self.steps)
        parts += ["--scope", str(self.scope)] * bool(self.scope)
        parts += ["--data", "folder:PICTURES"] * self.own + ["--model", "photo"] * self.photo
        return shlex.join([*parts, "--out", folder])


def keep(wish: Wish, work: Path) -> None:
    """Write the request beside the checkpoint."""
    write_text(work / FILE, json.dumps(asdict(wish)))


def kept(work: Path) -> Wish | None:
    """The request that lies there, None where there is none."""
    try:
        values = read_json(work / FILE)
        return Wish(**{**values, "names": tuple(values["names"])})
    except (ValueError, KeyError, TypeError):
        return None


def steps_done(work: Path) -> int:
    """The checkpoint's step; 0 where there is none yet."""
    try:
        return int(read_json(work / "session.json")["step"])
    except (ValueError, KeyError, TypeError):
        return 0


def labels(runs: Path) -> list[tuple[str, str]]:
    """The interrupted sessions, for a dropdown: (label, folder's name)."""
    found = ((p, kept(p)) for p in sorted(runs.glob(f"*{PART}")))
    return [
        (f"{', '.join(w.names)}, seed {w.seed}: {steps_done(p)} steps done", p.name)
        for p, w in found
        if w
    ]
