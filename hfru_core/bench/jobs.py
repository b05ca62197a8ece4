"""What a benchmark runs: a method with its preset and scope, on a task, with a seed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from hfru_core.data.source import DRAWN
from hfru_core.data.source_base import Source
from hfru_core.types import SCOPES, UserError

REFERENCES = {"base": "Base model", "oracle": "Retrained oracle", "output-filter": "Output filter"}
REQUESTS = ("plain", "polite", "single", "anonymised")
BUDGETS = ("own", "equal")
PATTERN = re.compile(r"([^:@]*)(?::([^:@]*))?(?:@([^:@]*))?")


@dataclass(frozen=True)
class Entry:
    """A method as it is written: `npo`, `graddiff@encoder`, `hfru:paper`."""

    method: str
    preset: str = "default"
    scope: str | None = None

    @property
    def name(self) -> str:
        preset = f":{self.preset}" if self.preset != "default" else ""
        return f"{self.method}{preset}{f'@{self.scope}' if self.scope else ''}"


@dataclass(frozen=True)
class Job:
    """One row to be: an entry on a task. `steps` overrides the budget."""

    entry: Entry
    task: str
    seed: int
    budget: str = "own"
    request: str = "plain"
    steps: int | None = None
    source: Source = DRAWN

    @property
    def title(self) -> str:
        more = [w for w in (self.budget, self.request) if w not in ("own", "plain")]
        return " · ".join([self.entry.name, self.task, str(self.seed), *more])

    def file(self, model: str = "") -> str:
        """The name of its row's file: other models and sources have names of their own."""
        parts = [self.title, self.source.public_name] + [f"{self.steps} steps"] * bool(self.steps)
        text = " ".join([model] * bool(model) + parts)
        return re.sub(r"[^\w.+@-]+", "_", text) + ".json"

    @property
    def command(self) -> str:
        """How to make the row again; without the budget, since its steps are known by then."""
        parts = [
            f"python -m hfru_core bench --methods {self.entry.name}",
            f'--tasks "{self.task}" --seeds {self.seed}',
        ]
        parts += [f"--request {self.request}"] * (self.request != "plain")
        parts += [f"--data {self.source.public_name}"] * (self.source != DRAWN)
        parts += [f"--steps {self.steps}"] * (self.steps is not None)
        return " ".join([*parts, "--out runs/bench"])


def parse(text: str) -> tuple[Entry, ...]:
    """Entries of a list with commas; raises where one does not exist."""
    from hfru_core.methods import METHODS

    known, found = (*METHODS, *REFERENCES), []
    for word in filter(None, map(str.strip, text.split(","))):
        match = PATTERN.fullmatch(word)
        if not match or match[1] not in known:
            raise UserError(f"Unknown method '{word}'. Use some of: {', '.join(known)}.")
        if match[3] is not None and match[3] not in SCOPES:
            raise UserError(f"Unknown scope '{match[3]}'. Use one of: {', '.join(SCOPES)}.")
        if match[1] in REFERENCES and word != match[1]:
            raise UserError(
                f"'{match[1]}' is not a method: it has no preset or scope, got '{word}'."
            )
        found.append(Entry(match[1], "default" if match[2] is None else match[2], match[3]))
    return tuple(found)


def variant_of_today(name: str) -> str | None:
    """What an entry's method says of itself; None for references."""
    from hfru_core.methods import METHODS

    (entry,) = parse(name)
    kind = METHODS.get(entry.method)
    return kind.described(entry.preset) if kind else None


def everything() -> str:
    """All references and methods, HFRU with each of its presets."""
    from hfru_core.methods import METHODS
    from hfru_core.methods.hfru import PRESETS

    ours = [f"hfru:{p}" if p != "default" else "hfru" for p in PRESETS]
    return ",".join([*REFERENCES, *ours, *(m for m in METHODS if m != "hfru")])


def jobs(
    entries: Iterable[Entry], tasks: Iterable[str], seeds: Iterable[int], **same: Any
) -> list[Job]:
    """Every entry on every task with every seed; references have no budget of their own."""
    found = [Job(e, t, s, **same) for s, t, e in product(seeds, tasks, entries)]
    found = [replace(j, budget="own") if j.entry.method in REFERENCES else j for j in found]
    return list(dict.fromkeys(found))
