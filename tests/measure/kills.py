"""Kill the app at random moments of a session, start it again, go on: what is lost?

    python -m tests.measure.kills --kills 20

A small random model, sessions of some steps, and a visitor on the queue's own address. Each life
of the app is a forked process that ends by SIGKILL. After each, every adapter that was finished
must still be whole and the report that lies there unchanged; what was under way must be listed,
and go on from where its checkpoint was.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import httpx

# Imported once, before the first fork; nothing here starts a thread.
from hfru_core.adapters.validate import check_hashes, checked_record
from hfru_core.data.samples import Amount
from hfru_core.evaluate import evaluate  # noqa: F401
from hfru_core.files import PART
from hfru_core.model import vlm  # noqa: F401
from hfru_core.studio.app import build_app, launch
from hfru_core.studio.sessions import interrupted
from hfru_core.studio.sessions.pages import Pages
from tests.conftest import random_model
from tests.measure.visitors import Visitor, config_of, free_port

AMOUNT, JUDGED = Amount(4, 6, 2, 2), Amount(0, 0, 2, 2)
SHORT = {
    "batch": 4, "retain_batch": 4, "grpo_prompts": 4, "group": 2, "max_new_tokens": 6,
    "lora_rank": 2, "checkpoint_every": 2, "check_every": 4,
    "augment_to": 0,  # else the random model, whose answers have no end, is asked for minutes
}  # fmt: skip
STEPS = 120  # more than LONGEST is enough for, on a quick machine too
WHO = "0" * 32  # one visitor, known again by every life of the app
REPORT = Path("audits") / "kept" / "report.json"
LONGEST = 6.0  # seconds from the first checkpoint until a kill


@dataclass
class Tally:
    """What the kills came upon."""

    kills: int = 0
    in_session: int = 0
    resumed: int = 0
    finished: int = 0
    restored: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def forked(work) -> int:
    """Do it in a process of its own."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def serve(folder: Path, port: int) -> None:
    """One life of the app; it ends by a signal."""
    Pages.visitor = lambda self, page: WHO
    page = build_app(
        folder / "model",
        folder / "data",
        adapters=folder / "none",
        amount=AMOUNT,
        checked=JUDGED,
        settings=SHORT,
    )
    launch(page, "127.0.0.1", port, quiet=True)


def born(folder: Path) -> tuple[int, str]:
    """Start the app; its process and address, once it answers."""
    port = free_port()
    pid, url = forked(lambda: serve(folder, port)), f"http://127.0.0.1:{port}"
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            urlopen(url, timeout=5).read()
            return pid, url
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the app did not start")


async def visit(url: str, ready: asyncio.Event) -> None:
    """Go on with what was cut off, or start a session; wait for its end."""
    async with httpx.AsyncClient(timeout=None) as client:
        visitor = Visitor(url, client, await config_of(url, client))
        await visitor.arrive()
        listed = await offered(visitor)
        event = visitor.event("resume" if listed else "start", "click")
        form = [listed] if listed else [["dog"], [], "default", 0, STEPS, "encoder"]
        form += [None] * (len(event["inputs"]) - len(form))
        told = await visitor.do(event, *form)
        ready.set()
        if told.error:
            raise RuntimeError(told.error)
        await visitor.do(visitor.after(event))


async def offered(visitor: Visitor) -> str | None:
    """The session that the page offers to resume."""
    opened = visitor.event(None, "load", fills="cards")
    offer = next(
        e
        for e in visitor.events
        if e["trigger_after"] == opened["id"] and visitor.ids["cut-off"] in e["outputs"][1:]
    )
    told = await visitor.at_once(offer)
    return next(d["value"] for d in told["data"] if "value" in d)


async def live(url: str, pid: int, after: float, runs: Path) -> None:
    """A visit that ends when the app is killed, so long after its session has a checkpoint."""
    ready = asyncio.Event()
    visit_ = asyncio.create_task(visit(url, ready))
    first = asyncio.create_task(ready.wait())
    await asyncio.wait([visit_, first], return_when=asyncio.FIRST_COMPLETED, timeout=120)
    while not visit_.done() and not cut_off(runs):
        await asyncio.sleep(0.1)
    await asyncio.wait([visit_], timeout=after)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    failed = visit_.done() and visit_.exception()
    first.cancel()
    visit_.cancel()
    await asyncio.gather(visit_, first, return_exceptions=True)
    if isinstance(failed, RuntimeError):
        raise failed  # What the app refuses is no matter of the kill.


def finished(runs: Path) -> dict[str, str]:
    """The adapters that are there, by name, with what their weights are."""
    return {
        p.parent.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(runs.glob("*/adapter_model.safetensors"))
    }


def cut_off(runs: Path) -> dict[str, int]:
    """The sessions that were cut off and had a checkpoint, with its step."""
    found = {p.name: interrupted.steps_done(p) for p in runs.glob(f"*{PART}")}
    return {n: s for n, s in found.items() if s}


def look(runs: Path, before: tuple[dict, dict], tally: Tally) -> tuple[dict, dict]:
    """Compare what is there with what was there; whatever is gone or went back is lost."""
    done, cut = finished(runs), cut_off(runs)
    listed = {n for _, n in interrupted.labels(runs)}
    tally.lost += [f"adapter {n}" for n, h in before[0].items() if done.get(n) != h]
    tally.lost += [f"{n} is not listed" for n in cut if n not in listed]
    for name, step in before[1].items():
        whole = name.removesuffix(PART) in done
        if not whole and cut.get(name, -1) < step:
            tally.lost.append(f"{name}: step {step} became {cut.get(name)}")
        tally.resumed += whole or cut.get(name, -1) > step
    for name in done:
        check_hashes(runs / name, checked_record(runs / name).hashes)
    tally.in_session += bool(cut)
    tally.restored += cut.values()
    return done, cut


def kill_often(folder: Path, kills: int, seed: int) -> Tally:
    """Many lives of the app, and a last one that finishes what is left."""
    rng, tally = random.Random(seed), Tally()
    os.waitpid(forked(lambda: random_model(folder / "model", seed=0)), 0)
    home = folder / "data" / "sessions" / WHO
    (home / REPORT).parent.mkdir(parents=True)
    (home / REPORT).write_text('{"kept": true}')
    state = ({}, {})
    for _ in range(kills):
        pid, url = born(folder)
        asyncio.run(live(url, pid, rng.uniform(0, LONGEST), home / "runs"))
        tally.kills += 1
        state = look(home / "runs", state, tally)
        print(
            f"kill {tally.kills}: {len(state[0])} finished, cut off at {state[1]}, "
            f"lost {tally.lost}",
            file=sys.stderr,
            flush=True,
        )
    while state[1]:
        pid, url = born(folder)
        asyncio.run(live(url, pid, 600, home / "runs"))
        state = look(home / "runs", state, tally)
    if (home / REPORT).read_text() != '{"kept": true}':
        tally.lost.append("the report")
    tally.finished = len(state[0])
    return tally


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--kills", type=int, default=20)
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_often(Path(folder), args.kills, args.seed)
    print(json.dumps(tally.__dict__))
    if not tally.in_session:
        print("no kill fell into a session: nothing was tried", file=sys.stderr)
    return int(bool(tally.lost) or not tally.in_session)


if __name__ == "__main__":
    sys.exit(main())
