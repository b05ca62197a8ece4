"""A benchmark: every job becomes a row, kept in a file of its own; what is there is not made again.

Several runs may share a folder: each takes the jobs that no other has begun. The processes of one
run (`torchrun`) share each job, and the first of them writes.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from audit.cases import PICTURES
from hfru_core.adapters.folder import versions
from hfru_core.bench.jobs import REFERENCES, Job, variant_of_today
from hfru_core.bench.measure import Bench, Tell
from hfru_core.bench.results_file import SCHEMA, row_from
from hfru_core.bench.table import group, markdown, variants
from hfru_core.bench.unlearn import make, plan_of
from hfru_core.files import write_file
from hfru_core.locks import alone, claim
from hfru_core.methods import METHODS
from hfru_core.paths import MODEL, model_name
from hfru_core.types import UserError

FILE, TABLE, ROWS = "bench.json", "bench.md", "rows"
NOTE = (
    "Rates with 95 % intervals on pictures that no session saw; retain, attributes, facts, polite "
    "and retain_profile as shares of the original model's."
)


def run(
    jobs: Sequence[Job], bench: Bench, out: Path, *, seconds: float, audited: bool, tell
) -> Iterator[dict]:
    """The rows of jobs, one after the other; `tell(job, done, stage)` says where it is."""
    (out / ROWS).mkdir(parents=True, exist_ok=True)
    for done, job in enumerate(jobs):
        path = out / ROWS / file_of(job, bench)
        row = there_or_made(job, bench, path, seconds, audited, partial(tell, job, done))
        if row is not None:
            if bench.base.processes.writes:
                gather(out)
            yield row


def file_of(job: Job, bench: Bench) -> str:
    """The name of a row's file; the bundled model is not named in it."""
    return job.file("" if bench.base.name == model_name(MODEL) else bench.base.name)


def known(path: Path, job: Job, bench: Bench, seconds: float, audited: bool) -> dict | None:
    """The row that is there without an error, if variant, model, images and time are the same."""
    row = read(path)
    if not row or row.get("error") or row.get("budget_seconds", seconds) != seconds:
        return None
    # The method is another by now.
    if variant_of_today(job.entry.name) not in (None, row.get("variant")):
        return None
    fitting = [command(job, row.get("steps"), bench, a) for a in {audited, True}]
    return row if row.get("command") in fitting else None


def there_or_made(
    job: Job, bench: Bench, path: Path, seconds: float, audited: bool, tell: Tell
) -> dict | None:
    """The row of a job, read or else made and written; None where another process is at it."""
    lock, processes = path.with_suffix(".lock"), bench.base.processes
    if not all(processes.gathered([not processes.writes or is_ours(lock)])):
        return processes.gathered([known(path, job, bench, seconds, audited)])[0]
    try:
        # Under the lock nobody else writes it, and what the first process reads holds for all.
        if row := processes.gathered([known(path, job, bench, seconds, audited)])[0]:
            return row
        steps = processes.gathered([timed(job, bench, path.parent, seconds)])[0]
        row = measured(job, bench, path.with_suffix(".work"), seconds, steps, audited, tell)
        if processes.writes:
            write_file(path, lambda file: file.write_text(json.dumps(row, indent=1) + "\n"))
        return row
    finally:
        if processes.writes:
            lock.unlink(missing_ok=True)


def is_ours(lock: Path) -> bool:
    """Whether no other process is at the row; it is ours from now on."""
    try:
        claim(lock)
    except UserError:
        return False
    return True


def timed(job: Job, bench: Bench, rows: Path, seconds: float) -> int | None:
    """The steps that the same job took with another seed: they cost the same, and count as much."""
    if job.budget == "own":
        return None
    for path in sorted(rows.glob("*.json")):
        row = read(path) or {}
        other = replace(job, seed=row.get("seed", job.seed))
        if path.name == file_of(other, bench) and known(path, other, bench, seconds, False):
            return row["steps"]
    return None


def measured(
    job: Job, bench: Bench, work: Path, seconds: float, steps: int | None, audited: bool, tell: Tell
) -> dict:
    """Make the model, ask it, look inside it; what fails ends this row alone, with the reason."""
    row = {**blank(job), "versions": versions()}
    row |= {"budget_seconds": seconds} if job.budget == "equal" and job.steps is None else {}
    try:
        if row["kind"] == "method":
            row["scope"] = plan_of(job).config.scope
        tell("unlearn")
        reset_peak()
        began = time.perf_counter()
        model = make(job, bench.model, bench.oracle_of(job), seconds, work, steps)
        row |= {"seconds": round(time.perf_counter() - began, 1), "peak_mb": peak()}
        row |= model._asdict() | {"vlm": None}
        tell("evaluate")
        row["values"] = bench.answers(job, model.vlm)
        began = time.perf_counter()
        if audited:
            values, judged = bench.leakage(job, model.vlm, tell)
            row["values"] |= values
            row |= {**judged, "audit_seconds": round(time.perf_counter() - began, 1)}
    except Exception as error:  # Whatever it is, other rows do not depend on it.
        row["error"] = next(iter(str(error).splitlines()), type(error).__name__)
    del row["vlm"]
    row["command"] = command(job, row["steps"], bench, audited)
    return row


def command(job: Job, steps: int | None, bench: Bench, audited: bool) -> str:
    """What makes the row again, with as many steps as it took."""
    again = replace(job, steps=steps, budget="own") if steps else job
    parts = [again.command]
    parts += [f"--model {bench.base.name}"] * (bench.base.name != model_name(MODEL))
    parts += [f"--oracle {bench.oracle.name}"] if bench.oracle else []
    parts += [f"--pictures {bench.pictures}"] * (bench.pictures != PICTURES)
    return " ".join(parts + ["--no-audit"] * (not audited))


def blank(job: Job) -> dict:
    """A row of which nothing is known yet."""
    kind = "reference" if job.entry.method in REFERENCES else "method"
    known = METHODS.get(job.entry.method)
    return {
        "method": job.entry.name,
        "variant": "",
        "kind": kind,
        "task": job.task,
        "label": known.label if known else REFERENCES[job.entry.method],
        "scope": job.entry.scope or (known.scope if known else "all"),
        "seed": job.seed,
        "budget": "set" if job.steps else job.budget,
        "request": job.request,
        "source": job.source.public_name,
        "steps": job.steps,
        "values": {},
        "verdict": None,
        "reasons": [],
        "seconds": None,
        "audit_seconds": None,
        "peak_mb": None,
        "command": job.command,
        "error": None,
        "vlm": None,
    }


def read(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def gather(out: Path) -> None:
    """All rows of the folder as one file, and as a table beside it."""
    with alone(out / "bench.lock"):
        rows = [r for p in sorted((out / ROWS).glob("*.json")) if (r := read(p))]
        whole = {"schema": SCHEMA, "note": NOTE, "rows": rows}
        write_file(out / FILE, lambda file: file.write_text(json.dumps(whole, indent=1) + "\n"))
        groups = group(map(row_from, rows))
        table = f"{markdown(groups)}\n{variants(groups)}"
        write_file(out / TABLE, lambda file: file.write_text(table))


def reset_peak() -> None:
    """Let the peak of memory begin anew, where the system can; else it is the whole run's."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int | None:
    """MB that this process held at most."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return int(found[1]) // 1024 if found else None
