"""What an audit costs on this machine: seconds by depth and by number of pictures, and memory.

    python -m tests.measure.audit_cost --report assets/reports/audit_cost.json

Seconds are wall-clock of the whole command, its imports and the models' loading included; memory
is the peak resident size of that process. Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hfru_core.adapters import folder as adapter

ROOT = Path(__file__).parents[2]
ADAPTER = "assets/adapters/dog-elephant"
SIZES = (16, 32, 64, 128)
FINISHED = (0, 1, 3)  # clear, leak or damaged, inconclusive


def audit(out: Path, pictures: int, *more: str) -> dict[str, object]:
    """One audit: seconds, peak memory, verdict."""
    line = [sys.executable, "-m", "audit", ADAPTER, "--pictures", str(pictures), "--out", str(out)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*line, *more],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in FINISHED:
        raise RuntimeError(f"the audit with {pictures} pictures could not run")
    state = json.loads((out / "report.json").read_text())["verdict"]["state"]
    return {
        "pictures": pictures,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "verdict": state,
    }


def line_through(rows: list[dict]) -> dict[str, float]:
    """Least-squares seconds = fixed + each * pictures, and the share of variance it explains."""
    x, y = (np.array([r[k] for r in rows], float) for k in ("pictures", "seconds"))
    each, fixed = np.polyfit(x, y, 1)
    left = ((y - fixed - each * x) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    return {"fixed": round(fixed, 1), "each": round(each, 3), "r2": round(1 - left, 4)}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--report", type=Path)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [audit(Path(folder) / f"{n}", n) for n in SIZES]
        deep = audit(Path(folder) / "deep", 64, "--deep")
    result = {
        "adapter": ADAPTER,
        "standard": rows,
        "deep": deep,
        "seconds_by_pictures": line_through(rows),
        "cores": os.cpu_count(),
        "versions": adapter.versions(),
    }
    if args.report:
        args.report.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
