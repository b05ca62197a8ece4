"""Visitors on Compare who ask all the time: errors, how long they wait, what it costs.

    python -m tests.measure.load --report assets/reports/load.json

Starts the app with a data folder of its own; each visitor takes another picture, then asks
another question, and the next as soon as the answer is there. With a browser (Debian's
chromium and playwright) also the first paint with both answers, and the switch to each tab.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from hfru_core.studio.examples import EXAMPLES
from tests.measure import paint
from tests.measure.visitors import Answer, Served, Visitor, config_of, serving

QUESTIONS = (
    "What is this?", "Describe this image in detail.", "What colour is it?", "Write a caption.",
    "Who is this?", "Where is it?", "Is there any dog in the picture?", "What do you see?",
)  # fmt: skip


async def visit(visitor: Visitor, seed: int, until: float) -> list[Answer]:
    """One visitor, until the time is over: a picture, a question, another picture, ..."""
    rng, done = random.Random(seed), []
    await visitor.arrive()
    opening = visitor.event(None, "load", fills="cards")
    opened = await visitor.do(opening, *[None] * len(opening["inputs"]))
    done.append(opened)
    adapter = next((d["value"] for d in opened.data if isinstance(d, dict) and "choices" in d), "")
    pick, ask = visitor.event("examples", "select"), visitor.event("question", "submit")
    while time.monotonic() < until:
        picked = {"index": rng.randrange(len(EXAMPLES)), "value": None}
        before = rng.choice(QUESTIONS)
        done.append(await visitor.do(pick, None, before, adapter, chosen=picked))
        done.append(await visitor.do(ask, None, rng.choice(QUESTIONS), adapter))
    await visitor.leave()
    return done


async def crowd(url: str, number: int, seconds: float) -> list[Answer]:
    """All answers that so many visitors get in the time."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:
        config = await config_of(url, client)
        visitors = [Visitor(url, client, config) for _ in range(number)]
        until = time.monotonic() + seconds
        told = await asyncio.gather(*(visit(v, i, until) for i, v in enumerate(visitors)))
    return [a for answers in told for a in answers]


def summary(answers: list[Answer], seconds: float) -> dict[str, object]:
    """Errors, and the seconds until an answer and in the queue."""
    good = [a for a in answers if not a.error]
    return {
        "answers": len(good),
        "per_second": round(len(good) / seconds, 1),
        "errors": sorted({a.error for a in answers if a.error}),
        "failed": len(answers) - len(good),
        "answer": spread([a.seconds for a in good]),
        "queue": spread([a.waited for a in good]),
    }


def spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    p50, p95, worst = np.quantile(values, (0.5, 0.95, 1.0))
    return {"p50": round(p50, 3), "p95": round(p95, 3), "worst": round(worst, 3)}


def measured(app: Served, visitors: int, seconds: float) -> dict[str, object]:
    """Alone, then all together, and the memory before and after."""
    alone = asyncio.run(crowd(app.url, 1, seconds / 4))
    idle = app.resident_mb()
    together = asyncio.run(crowd(app.url, visitors, seconds))
    return {
        "visitors": visitors,
        "seconds": seconds,
        "alone": summary(alone, seconds / 4),
        "together": summary(together, seconds),
        "idle_mb": round(idle),
        "after_mb": round(app.resident_mb()),
    }


def line(found: dict) -> str:
    """The whole in one line."""
    one, many = found["alone"], found["together"]
    said = (
        f"{found['visitors']} visitors, {found['seconds']:.0f} s: {many['answers']} answers, "
        f"{many['failed']} failed, p95 {many['answer'].get('p95')} s (queue "
        f"{many['queue'].get('p95')} s); alone p95 {one['answer'].get('p95')} s; "
        f"idle {found['idle_mb']} MB"
    )
    if paints := found.get("paint"):
        said += (
            f"; first paint {paints['first']} s, later {paints['again']} s, "
            f"worst tab {paints['worst']} ms"
        )
    return f"{said}; load {found['load_average'][0]:.1f} on {found['cores']} cores"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--visitors", type=int, default=20)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--report", type=Path)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        painted = paint.measured(Path(folder) / "paint")
        with serving(Path(folder) / "load") as app:
            found = measured(app, args.visitors, args.seconds)
    found |= {
        "paint": painted,
        "load_average": [round(x, 1) for x in os.getloadavg()],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    if args.report:
        args.report.write_text(json.dumps(found, indent=1) + "\n")
    print(line(found), file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
