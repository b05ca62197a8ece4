"""The model of `make real`: what it sees in drawn pictures, and what a session on it takes.

python -m tests.measure.real_decoder runs/smollm2-world --report assets/reports/real_decoder.json
python -m tests.measure.real_decoder runs/smollm2-world --session 6 --report FILE
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hfru_core.adapters.folder import versions
from hfru_core.data.source import load_image
from hfru_core.evaluate import share
from hfru_core.model import vlm
from tests.measure.base_accuracy import questions, right

MEASURES = ("object", "object, alone", "identity", "yes_no", "abstraction")


def is_right(measure: str, wanted: str, said: str) -> bool:
    """Names as for the bundled model; yes or no by the first word; a kind that is named at all."""
    first = lambda text: text.lower().split(",")[0].strip(" .")  # noqa: E731
    if measure == "yes_no":
        return first(said) == first(wanted)
    if measure == "abstraction":
        return wanted.lower().strip(".").removeprefix("this is ") in said.lower()
    return right(measure, wanted, said)


def sees(folder: Path, seed: int, pictures: int) -> dict[str, Any]:
    """Its rates on freshly drawn pictures, each with n and interval, and some answers."""
    model, rates, examples = vlm.load(folder, device="cpu"), {}, []
    for measure, rows in questions(seed, pictures).items():
        if measure not in MEASURES:
            continue
        said = model.answer([load_image(k) for k, _, _ in rows], [q for _, q, _ in rows])
        judged = [is_right(measure, w, s) for (_, _, w), s in zip(rows, said)]
        rates[measure] = asdict(share(judged))
        examples += [{"asked": q, "said": s} for (_, q, _), s in zip(rows[:3], said)]
    return {"data": f"world:{seed}", "rates": rates, "examples": examples}


def session(folder: Path, forget: str, steps: int, seed: int) -> dict[str, Any]:
    """One session of `default` with its evaluation in a process of its own: rates, time, memory."""
    with tempfile.TemporaryDirectory() as out:
        given = ["unlearn", "--model", folder, "--forget", forget, "--steps", steps, "--seed", seed]
        command = [sys.executable, "-m", "hfru_core", *map(str, given), "--out", f"{out}/a"]
        began = time.perf_counter()
        done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, text=True, check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "forget": forget,
        "steps": steps,
        "seed": seed,
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "cpu_minutes": round((used.ru_utime + used.ru_stime) / 60, 1),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "peak_gb": round(used.ru_maxrss / 1e6, 2),
        "weights_gb": round((folder / "model.safetensors").stat().st_size / 1e9, 2),
        "result": json.loads(done.stdout.splitlines()[-1]),
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("model", type=Path, help="the folder that `make real` made")
    p.add_argument("--seed", type=int, default=2000)
    p.add_argument("--pictures", type=int, default=96, help="pictures of each kind")
    p.add_argument("--session", type=int, help="also a session of so many steps")
    p.add_argument("--forget", default="dog,elephant")
    p.add_argument("--report", type=Path, required=True, help="JSON to write, or to add to")
    args = p.parse_args()
    report = json.loads(args.report.read_text()) if args.report.is_file() else {}
    report |= {"recipe": json.loads((args.model / "assembled.json").read_text())}
    if args.session:
        sessions = report.setdefault("sessions", [])
        sessions.append(session(args.model, args.forget, args.session, args.seed))
    else:
        report |= sees(args.model, args.seed, args.pictures)
    report["versions"] = versions()
    args.report.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
