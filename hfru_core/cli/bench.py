"""The command `bench`: run methods side by side, with a line for each row on stderr."""

from __future__ import annotations

import argparse
import json
import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfru_core.cli.options import add_output
from hfru_core.paths import chosen
from hfru_core.types import UserError

if TYPE_CHECKING:
    from hfru_core.bench.jobs import Job

TASKS = "dog,elephant;Tobin Harrick,Ilsa Torvane,Dario Fent"


def add_options(p: argparse.ArgumentParser) -> None:
    p.description = (
        "Unlearn with several methods, ask and audit every result, and write one table. A run that "
        "was ended goes on; several processes may share --out. A row that is there stays: delete "
        "its file in DIR/rows where a method's numbers changed and not its variant."
    )
    p.add_argument("--methods", help="such as npo,graddiff@encoder,hfru:paper,base (default: all)")
    p.add_argument("--tasks", default=TASKS, help=f"concepts; tasks by semicolons ({TASKS})")
    p.add_argument("--seeds", default="0", help="numbers separated by commas (default: 0)")
    p.add_argument(
        "--data",
        default="world",
        help="world, or with their --model folder:DIR, parquet:FILE, mllmu:DIR or "
        "clear:DIR, whose tasks are names, or all",
    )
    p.add_argument(
        "--model",
        help="photo (bundled), model folder or Hub id (default: the drawn world's model)",
    )
    p.add_argument(
        "--oracle",
        type=Path,
        metavar="DIR",
        help="a model that never saw the tasks' concepts (default: a shipped one)",
    )
    p.add_argument(
        "--budget",
        choices=["own", "equal"],
        default="own",
        help="each method's own steps, or as many as fit into --seconds: what else this "
        "machine does meanwhile makes them fewer (default: own)",
    )
    p.add_argument(
        "--seconds",
        type=float,
        default=60,
        help="of training, for --budget equal (60); 10 to 600 steps are taken",
    )
    p.add_argument(
        "--request",
        choices=["plain", "polite", "single", "anonymised"],
        default="plain",
        help="the forget data: as it is, with common words in its "
        "questions, one image a concept, or anonymised (default: plain)",
    )
    p.add_argument("--steps", type=int, help="as many steps for every method")
    p.add_argument("--pictures", type=int, default=64, help="images a side to judge on (64)")
    p.add_argument("--no-audit", action="store_true", help="answers only")
    p.add_argument("--events", action="store_true", help="progress as JSON lines on stdout")
    p.add_argument("--out", required=True, type=Path, metavar="DIR", help="where bench.json is")
    add_output(p)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the jobs with a line for each on stderr."""
    from hfru_core.bench import run as bench_run
    from hfru_core.bench.measure import Bench
    from hfru_core.child_process import end_with_parent

    end_with_parent()
    jobs = checked_jobs(args)
    shared = Bench(chosen(args.model), args.pictures, args.oracle)
    for job in jobs:
        shared.oracle_of(job)  # raises where a given one does not fit
    writes, count, errors = shared.base.processes.writes, 0, 0

    def tell(job: Job, done: int, stage: str) -> None:
        say(args.events and writes, row=job.title, done=done, of=len(jobs), stage=stage)

    for row in bench_run.run(
        jobs, shared, args.out, seconds=args.seconds, audited=not args.no_audit, tell=tell
    ):
        count, errors = count + 1, errors + bool(row["error"])
        if writes:
            print(f"{count}/{len(jobs)} {line(row)}", file=sys.stderr, flush=True)
        say(args.events and writes, finished=row)
    out = str(args.out / bench_run.FILE)
    return {"rows": count, "errors": errors, "of": len(jobs), "out": out}


def checked_jobs(args: argparse.Namespace) -> list[Job]:
    """What was asked for as jobs; raises before long work where one could never run."""
    from hfru_core.bench import jobs
    from hfru_core.bench.unlearn import check
    from hfru_core.data.source import parse_source

    for name in ("steps", "pictures", "seconds"):
        given = getattr(args, name)
        if given is not None and not 1 <= given < inf:
            raise UserError(f"--{name} must be at least 1, got {given:g}.")
    found = jobs.jobs(
        jobs.parse(args.methods or jobs.everything()),
        [t.strip() for t in args.tasks.split(";") if t.strip()],
        seeds(args.seeds),
        budget=args.budget,
        request=args.request,
        steps=args.steps,
        source=parse_source(args.data),
    )
    if not found:
        raise UserError("Nothing to run: --methods, --tasks and --seeds need one thing each.")
    for job in found:
        check(job)
    return found


def seeds(text: str) -> list[int]:
    """'0,1' -> [0, 1]."""
    try:
        found = [int(s) for s in text.split(",")]
    except ValueError:
        raise UserError(f"--seeds are numbers separated by commas, got '{text}'.") from None
    if min(found) < 0:
        raise UserError(f"--seeds must be 0 or more, got {min(found)}.")
    return found


def say(wanted: bool, **event: object) -> None:
    """One event as a line of JSON on stdout."""
    if wanted:
        print(json.dumps(event), flush=True)


def line(row: dict[str, Any]) -> str:
    """A row for people."""
    name = f"{row['method']} ({row['task']}, {row['seed']})"
    if row["error"]:
        return f"{name}: {row['error']}"
    rates = {k: v["rate"] for k, v in row["values"].items()}
    keys = ("forget", "retain", "hallucination", "abstraction", "relearned")
    numbers = ", ".join(f"{k} {rates[k]:.1%}" for k in keys if rates.get(k) is not None)
    return f"{name}: {numbers}, {row['verdict']}, {row['seconds']} s"
