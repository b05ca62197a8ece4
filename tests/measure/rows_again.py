"""Is a row of the shipped benchmark the same when the command that it shows makes it again?

    python -m tests.measure.rows_again --rows "npo/Tobin Harrick,Ilsa Torvane,Dario Fent/1" ...

A row is named by method/task/seed (own budget, plain request). Every value is compared as it is
written: rate, n and interval. Seconds and memory are left out; rows that differ end it with 1.
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
from pathlib import Path

from hfru_core.cli.main import main as command
from hfru_core.paths import REPORTS


def shipped(named: str) -> dict:
    method, task, seed = named.split("/")
    rows = json.loads((REPORTS / "bench.json").read_text())["rows"]
    wanted = {
        "method": method,
        "task": task,
        "seed": int(seed),
        "budget": "own",
        "request": "plain",
        "source": "world",
    }
    return next(r for r in rows if all(r[k] == v for k, v in wanted.items()))


def again(row: dict) -> dict:
    """The row that the shown command makes, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as out:
        words = shlex.split(row["command"].replace("runs/bench", out))
        if command(words[3:]):  # after `python -m hfru_core`
            raise SystemExit(2)
        (made,) = json.loads((Path(out) / "bench.json").read_text())["rows"]
    return made


def compared(named: str) -> dict:
    """Which values differ, with both of them."""
    row = shipped(named)
    made = again(row)
    keys = {**row["values"], **made["values"]}
    other = {
        k: (row["values"].get(k), made["values"].get(k))
        for k in keys
        if row["values"].get(k) != made["values"].get(k)
    }
    found = {
        "row": named,
        "command": row["command"],
        "values": len(keys),
        "differ": other,
        "verdict": (row["verdict"], made["verdict"]),
    }
    print(json.dumps(found), flush=True)
    return found


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--rows", nargs="+", required=True, metavar="METHOD/TASK/SEED")
    p.add_argument("--report", type=Path, default=REPORTS / "rows_again.json")
    args = p.parse_args()
    found = [compared(named) for named in args.rows]
    args.report.write_text(json.dumps({"rows": found}, indent=1) + "\n")
    return int(any(f["differ"] or f["verdict"][0] != f["verdict"][1] for f in found))


if __name__ == "__main__":
    raise SystemExit(main())
