"""What a session, an answer and the app cost on this machine, each in a process of its own.

    python -m tests.measure.session_cost --report assets/reports/session_cost.json

Seconds of a session are wall-clock from starting the command to the adapter on disk, its imports
and the model's loading included. Memory is the peak resident size of that process. Let nothing
else run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from hfru_core.adapters import folder as adapter
from hfru_core.data import drawn
from hfru_core.model import vlm

ROOT = Path(__file__).parents[2]
PEOPLE = "Tobin Harrick,Ilsa Torvane,Dario Fent"
SESSIONS = [*((task, "default") for task in ("dog,elephant", PEOPLE, "guitar")),
            *((task, "deep") for task in ("dog,elephant", PEOPLE))]  # fmt: skip
ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}


def session(task: str, preset: str, folder: Path) -> dict[str, object]:
    """Seconds to the adapter, and the peak memory until then."""
    out = folder / re.sub(r"\W+", "_", f"{task} {preset}")
    line = [
        sys.executable,
        "-m",
        "hfru_core",
        "unlearn",
        "--forget",
        task,
        "--preset",
        preset,
        "--out",
        str(out),
    ]
    began = time.perf_counter()
    process = subprocess.Popen(line, cwd=ROOT, env=ENV, stderr=subprocess.DEVNULL)
    peak = 0
    while not out.exists():
        if process.poll() is not None:
            raise RuntimeError(f"the session of {task} ended with {process.returncode}")
        peak = max(peak, resident(process.pid))
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    process.kill()
    process.wait()
    cost = {"seconds": round(seconds, 1), "peak_mb": round(peak / 1024)}
    return {"task": task, "preset": preset, **cost}


def resident(pid: int) -> int:
    """Resident size in KiB (Linux)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) if found else 0


def page(folder: Path) -> float:
    """Seconds from starting app.py until its page is served."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, "app.py", "--port", str(port), "--data", str(folder)]
    began = time.perf_counter()
    process = subprocess.Popen(line, cwd=ROOT, env=ENV, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).read()
                return round(time.perf_counter() - began, 1)
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"app.py ended with {process.returncode}") from None
                time.sleep(0.1)
    finally:
        process.kill()
        process.wait()


def one_answer(repeats: int = 20) -> dict[str, float]:
    """Seconds of one answer about a picture that was not asked about before."""
    model = vlm.load()
    taken = []
    for i in range(repeats + 1):
        image = drawn.draw(f"world:4000/eval/cat/{i}")
        began = time.perf_counter()
        model.answer([image], ["Describe this image in detail."])
        taken.append(time.perf_counter() - began)
    rest = taken[1:]
    return {
        "median": round(statistics.median(rest), 3),
        "worst": round(max(rest), 3),
        "first": round(taken[0], 3),
        "n": repeats,
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--report", type=Path)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "page_seconds": page(Path(folder) / "app"),
            "answer_seconds": one_answer(),
            "sessions": [session(*s, Path(folder)) for s in SESSIONS],
            "cores": os.cpu_count(),
            "versions": adapter.versions(),
        }
    if args.report:
        args.report.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
