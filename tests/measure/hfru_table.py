"""The results table: sessions on the bundled model, measured on freshly drawn pictures.

    python -m tests.measure.hfru_table --tasks dog,elephant "Tobin Harrick,..." --seeds 0,1,2

Every row is written as soon as it is there; a row that is already in the report is not run again.
Seconds count from loading the model to the adapter on disk, with as many threads as the row says;
what a session costs on a machine of its own is measured by session_cost.py.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from hfru_core.adapters import folder
from hfru_core.concepts import parse
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import parse_source
from hfru_core.data.source_base import Files, Source
from hfru_core.evaluate import evaluate, relative
from hfru_core.methods.hfru import preset
from hfru_core.model import vlm
from hfru_core.paths import MODEL
from hfru_core.session import UnlearnSession
from hfru_core.types import Rate

PEOPLE = "Tobin Harrick,Ilsa Torvane,Dario Fent"


def one_row(
    task: str,
    seed: int,
    name: str,
    source: Source,
    model: str,
    pictures: int,
    keep: Path | None,
    before: dict | None,
) -> dict:
    """Run one session and measure its adapter on pictures of another world."""
    out = keep or Path("runs") / f"table-{time.time_ns()}"
    began = time.perf_counter()
    forget = parse(task, source.known_concepts())
    base = vlm.load(model)
    session = UnlearnSession(
        base, build(forget, source, seed=seed), preset(name, forget, seed=seed), out
    )
    for _ in session.run():
        pass
    seconds = time.perf_counter() - began
    fresh = source.fresh(1000 + seed)
    amount = Amount(0, 0, pictures, pictures)
    request = build(forget, fresh, amount=amount, seed=seed)
    before = before or asdict(evaluate(vlm.load(model), request)[0])
    after, _ = evaluate(folder.load(vlm.load(model), out), request)
    if keep is None:
        shutil.rmtree(out)
    return {
        "task": task,
        "preset": name,
        "seed": seed,
        "measured_on": fresh.kind if isinstance(fresh, Files) else fresh.text,
        "pictures_a_side": pictures,
        "seconds": round(seconds, 1),
        "best_step": session.progress.best_step,
        "base": before,
        "after": asdict(after),
        "relative": {
            k: relative(getattr(after, k), Rate(**before[k]))
            for k in ("retain", "attributes", "facts")
        },
        "threads": torch.get_num_threads(),
        "versions": folder.versions(),
    }


def known_base(rows: list[dict], task: str, seed: int, pictures: int) -> dict | None:
    """The original model's rates, where another preset was measured on the same pictures."""
    same = [
        r["base"]
        for r in rows
        if (r["task"], r["seed"], r["pictures_a_side"]) == (task, seed, pictures)
    ]
    return same[0] if same else None


def line(row: dict) -> str:
    after = row["after"]
    shown = [
        after["forget"]["rate"],
        row["relative"]["retain"],
        after["hallucination"]["rate"],
        after["abstraction"]["rate"],
        row["relative"]["attributes"],
    ]
    facts = row["relative"]["facts"]
    numbers = " | ".join("-" if v is None else f"{v:.1%}" for v in [*shown, facts])
    return f"| {row['task']} | {row['preset']} | {row['seed']} | {numbers} |"


def markdown(rows: list[dict]) -> str:
    head = "| forgotten | preset | seed | forget | retain (of base) | hallucination | abstraction "
    head += "| attributes (of base) | facts (of base) |\n" + "|---" * 9 + "|\n"
    return head + "\n".join(map(line, rows)) + "\n"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--tasks", nargs="+", default=["dog,elephant", PEOPLE])
    p.add_argument("--seeds", default="0")
    p.add_argument("--presets", default="default")
    p.add_argument("--data", default="world")
    p.add_argument("--model", default=str(MODEL))
    p.add_argument("--pictures", type=int, default=200, help="a side; four to six questions each")
    p.add_argument("--report", type=Path, default=Path("assets/reports/hfru.json"))
    p.add_argument("--keep", type=Path, help="keep the adapters of seed 0 in this folder")
    args = p.parse_args()
    rows = json.loads(args.report.read_text()) if args.report.exists() else []
    done = {(r["task"], r["preset"], r["seed"]) for r in rows}
    for name in args.presets.split(","):
        for seed in map(int, args.seeds.split(",")):
            for task in args.tasks:
                if (task, name, seed) in done:
                    continue
                keep = args.keep / folder_name(task) if args.keep and seed == 0 else None
                rows.append(
                    one_row(
                        task,
                        seed,
                        name,
                        parse_source(args.data),
                        args.model,
                        args.pictures,
                        keep,
                        known_base(rows, task, seed, args.pictures),
                    )
                )
                args.report.parent.mkdir(parents=True, exist_ok=True)
                args.report.write_text(json.dumps(rows, indent=1) + "\n")
                args.report.with_suffix(".md").write_text(markdown(rows))
                print(line(rows[-1]), flush=True)
    print(json.dumps({"rows": len(rows)}), file=sys.stdout)


def folder_name(task: str) -> str:
    return "-".join(t.strip().lower().replace(" ", "_") for t in task.split(","))


if __name__ == "__main__":
    main()
