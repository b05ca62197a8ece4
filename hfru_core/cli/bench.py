"""The command `bench`: what it takes, and what it tells while it runs."""

from __future__ import annotations

import argparse
import json
import sys
from math import inf
from pathlib import Path

from hfru_core.data.source import parse_source
from hfru_core.types import UserError

TASKS = "dog,elephant;Tobin Harrick,Ilsa Torvane,Dario Fent"


def add_bench(p: argparse.ArgumentParser, add_output) -> None:
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
        help="world, or with their --model pacs:FILE.parquet, folder:DIR, mllmu:DIR or "
        "clear:DIR, whose tasks are names, or all",
    )
    p.add_argument("--model", help="model folder or Hub id (default: the bundled model)")
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
        "questions, one picture a concept, or anonymised (default: plain)",
    )
    p.add_argument("--steps", type=int, help="as many steps for every method")
    p.add_argument("--pictures", type=int, default=64, help="pictures a side to judge on (64)")
    p.add_argument("--no-audit", action="store_true", help="answers only")
    p.add_argument("--events", action="store_true", help="progress as JSON lines on stdout")
    p.add_argument("--out", required=True, type=Path, metavar="DIR", help="where bench.json is")
    add_output(p)


def bench(args: argparse.Namespace) -> dict:
    """Run the jobs with a line for each on stderr."""
    from hfru_core.bench import jobs as entry
    from hfru_core.bench import run
    from hfru_core.bench.measure import Bench
    from hfru_core.child_process import end_with_parent
    from hfru_core.model import vlm

    end_with_parent()
    jobs = jobs_of(args, entry)
    shared = Bench(args.model or vlm.BUNDLED, args.pictures, args.oracle)
    for job in jobs:
        shared.oracle_of(job)  # raises where a given one is none
    speaks, shown, errors = args.events and shared.base.team.writes, 0, 0

    def tell(job: entry.Job, done: int, stage: str) -> None:
        say(speaks, {"row": job.title, "done": done, "of": len(jobs), "stage": stage})

    for row in run.run(
        jobs, shared, args.out, seconds=args.seconds, audited=not args.no_audit, tell=tell
    ):
        shown, errors = shown + 1, errors + bool(row["error"])
        if shared.base.team.writes:
            print(f"{shown}/{len(jobs)} {line(row)}", file=sys.stderr, flush=True)
        say(speaks, {"finished": row})
    return {"rows": shown, "errors": errors, "of": len(jobs), "out": str(args.out / run.FILE)}


def jobs_of(args: argparse.Namespace, entry) -> list:
    """Checked before long work."""
    try:
        seeds = [int(s) for s in args.seeds.split(",")]
    except ValueError:
        raise UserError(f"--seeds are numbers separated by commas, got '{args.seeds}'.") from None
    if min(seeds) < 0:
        raise UserError(f"--seeds must be 0 or more, got {min(seeds)}.")
    for name in ("steps", "pictures", "seconds"):
        given = getattr(args, name)
        if given is not None and not 1 <= given < inf:
            raise UserError(f"--{name} must be at least 1, got {given:g}.")
    entries = entry.parse(args.methods or entry.everything())
    tasks = [t.strip() for t in args.tasks.split(";") if t.strip()]
    same = {
        "budget": args.budget,
        "request": args.request,
        "steps": args.steps,
        "source": parse_source(args.data),
    }
    jobs = entry.jobs(entries, tasks, seeds, **same)
    if not jobs:
        raise UserError("Nothing to run: --methods, --tasks and --seeds need one thing each.")
    check(jobs)
    return jobs


def check(jobs: list) -> None:
    """Raise where a job could never run."""
    from hfru_core.bench.jobs import REFERENCES
    from hfru_core.bench.unlearn import concepts_of, config_of

    for job in jobs:
        concepts_of(job)
        if job.entry.method not in REFERENCES:
            config_of(job)


def say(wanted: bool, event: dict) -> None:
    if wanted:
        print(json.dumps(event), flush=True)


def line(row: dict) -> str:
    """A row for people."""
    if row["error"]:
        return f"{row['method']} ({row['task']}, {row['seed']}): {row['error']}"
    rates = {k: v["rate"] for k, v in row["values"].items()}
    keys = ("forget", "retain", "hallucination", "abstraction", "relearned")
    told = ", ".join(f"{k} {rates[k]:.1%}" for k in keys if rates.get(k) is not None)
    return (
        f"{row['method']} ({row['task']}, {row['seed']}): {told}, {row['verdict']}, "
        f"{row['seconds']} s"
    )
