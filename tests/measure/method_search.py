"""What a method's rate of learning and constants do, on a seed that no table shows.

    python -m tests.measure.method_search rmu --lr 0.001 0.003 0.008 --set steer=2 --set steer=4

Every rate with every setting, answers only, one line each; the defaults of `hfru_core/methods/`
were chosen from such lines.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

from hfru_core.bench.jobs import Entry, Job
from hfru_core.bench.unlearn import concepts_of, plan_of, prepare
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import World
from hfru_core.evaluate import evaluate
from hfru_core.methods import METHODS, TrainedMethod
from hfru_core.model import vlm
from hfru_core.pipeline import unlearn
from hfru_core.types import UnlearnData

SEED = 100  # neither a table's nor a test's
SHOWN = ("forget", "retain", "hallucination", "abstraction", "attributes", "facts",
         "refusal", "degenerate")  # fmt: skip


def tried(job: Job, rate: float | None, settings: tuple, judged: UnlearnData) -> str:
    """One combination's line."""
    plan = plan_of(job)
    config = plan.config.with_(settings=settings)
    config = config.with_(lr=rate) if rate else config
    prepared, kind = prepare(job, replace(plan, config=config), vlm.load), METHODS[job.entry.method]
    if issubclass(kind, TrainedMethod):
        folder = Path(tempfile.mkdtemp())
        session = unlearn(prepared, folder / "adapter")
        for _ in session.run():
            pass
        shutil.rmtree(folder)
        model = session.vlm
    else:
        model = kind(prepared.model, prepared.data, config).edit()
    found = vars(evaluate(model, judged)[0])
    told = " ".join(f"{k} {100 * found[k].rate:.0f}" for k in SHOWN if found[k].rate is not None)
    return f"{job.entry.name} {job.task} lr {config.lr:g} {dict(settings)}: {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("method")
    parser.add_argument("--task", default="dog,elephant")
    parser.add_argument("--lr", nargs="+", type=float, default=[None])
    parser.add_argument("--set", nargs="*", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--pictures", type=int, default=48)
    args = parser.parse_args()
    job = Job(Entry(args.method), args.task, SEED)
    amount = Amount(0, 0, args.pictures, args.pictures)
    judged = build(concepts_of(job), World(1000 + SEED), amount=amount, seed=SEED)
    for rate, words in product(args.lr, args.set or [[]]):
        settings = tuple((k, float(v)) for k, _, v in (w.partition("=") for w in words))
        print(tried(job, rate, settings, judged), flush=True)


if __name__ == "__main__":
    main()
