"""Sessions on the bundled model `photo`: rates on held-out pictures, seconds and memory.

python -m tests.measure.photo_sessions --pacs FILE.parquet [--keep FOLDER]

Each session is the command `hfru unlearn` in a process of its own; its row goes into the report as
soon as it ends, and rows that are there already are not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hfru_core.adapters.folder import versions
from hfru_core.paths import REPORTS

MEASURES = ("forget", "retain", "hallucination", "abstraction", "attributes", "degenerate")
RUN = "import sys; from hfru_core.cli.main import main; sys.exit(main())"


def session(source: str, request: dict[str, Any], out: Path) -> dict[str, Any]:
    """One session's row; raises where the command fails."""
    command = ["unlearn", "--model", "photo", "--data", source, "--out", str(out), "--json"]
    command += ["--device", "cpu"]
    for name, value in request.items():
        command += [f"--{name}", str(value)]
    run = subprocess.Popen([sys.executable, "-c", RUN, *command], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    said = run.stdout.read()
    _, status, used = os.wait4(run.pid, 0)
    if status:
        raise SystemExit(f"`hfru {' '.join(command)}` failed")
    told = json.loads(said.strip().splitlines()[-1])
    rates = {name: told[name] for name in MEASURES}
    return {
        **request,
        "rates": rates,
        "seconds": told["seconds"],
        "processor_seconds": round(used.ru_utime + used.ru_stime),
        "peak_mb": round(used.ru_maxrss / 1024),
        "steps": told["steps"],
        "best_step": told["best_step"],
    }


def wanted(args: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        {"forget": forget, **way, "seed": seed}
        for way in map(as_way, args.ways)
        for forget in args.forget
        for seed in args.seeds
    ]


def as_way(text: str) -> dict[str, str]:
    """'default' is a preset of ours; 'pubg' and others are methods."""
    return {"preset": text} if text in ("default", "deep", "paper") else {"method": text}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--pacs", type=Path, required=True)
    p.add_argument("--forget", nargs="+", default=["dog,elephant"])
    p.add_argument("--ways", nargs="+", default=["default", "deep", "pubg"])
    p.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    p.add_argument("--keep", type=Path, help="a folder for the adapters")
    p.add_argument("--report", type=Path, default=REPORTS / "photo.json")
    args = p.parse_args()
    report = json.loads(args.report.read_text())
    rows = report.setdefault("sessions", {"rows": []})["rows"]
    with tempfile.TemporaryDirectory() as folder:
        for request in wanted(args):
            if any(request.items() <= row.items() for row in rows):
                continue
            name = "-".join(str(v) for v in request.values()).replace(",", "-")
            out = (args.keep or Path(folder)) / name
            rows.append(session(f"pacs:{args.pacs}", request, out))
            report["sessions"] = {"source": f"pacs:{args.pacs.name}", "rows": rows}
            report["sessions"]["versions"] = versions()
            args.report.write_text(json.dumps(report, indent=1) + "\n")
            print(json.dumps(rows[-1]), flush=True)


if __name__ == "__main__":
    main()
