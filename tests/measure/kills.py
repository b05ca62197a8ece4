"""Kill the app at random moments of sessions and audits, start it again, go on: what is lost?

    python -m tests.measure.kills --kills 20 --report assets/reports/kills.json

A small random model and a visitor on the queue's own address. Each life of the app is a forked
process that ends by SIGKILL. After each, every adapter and report that was finished must still be
whole and unchanged; a session that was under way must be listed, and go on from where its
checkpoint was; of an audit neither a process nor, after the next start, a file may remain.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from audit.report.json_file import read
from hfru_core.adapters.validate import check_hashes, checked_record
from hfru_core.files import PART
from hfru_core.stats import wilson
from hfru_core.studio.sessions import interrupted
from tests.measure.lives import ADAPTER, born, prepare, publish
from tests.measure.visitors import Visitor, config_of

STEPS = 120  # more than LONGEST is enough for, on a quick machine too
WHO = "0" * 32  # one visitor, known again by every life of the app
LONGEST = 6.0  # seconds from the first checkpoint until a kill
AUDIT = 15.0  # seconds from the beginning of an audit until a kill, at most
FILES = {"report.json", "report.md", "report.html"}


@dataclass
class Tally:
    """What the kills came upon: `under_way` of them fell into work."""

    n: int = 0
    under_way: int = 0
    resumed: int = 0
    finished: int = 0
    restored: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def values(self) -> dict[str, object]:
        """With the 95 % interval of the share that lost something."""
        return {**asdict(self), "interval": wilson(min(len(self.lost), self.n), self.n)}

    def say(self, more: object) -> None:
        print(f"kill {self.n}: {more}, lost {self.lost}", file=sys.stderr, flush=True)


# Sessions


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
    kill(pid)
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
    tally.under_way += bool(cut)
    tally.restored += cut.values()
    return done, cut


def kill_sessions(folder: Path, kills: int, rng: random.Random) -> Tally:
    """Many lives of the app, and a last one that finishes what is left."""
    tally, runs = Tally(), folder / "data" / "sessions" / WHO / "runs"
    state: tuple[dict, dict] = ({}, {})
    while tally.n < kills or state[1]:
        more = tally.n < kills
        pid, url = born(folder, WHO)
        asyncio.run(live(url, pid, rng.uniform(0, LONGEST) if more else 600, runs))
        tally.n += more
        state = look(runs, state, tally)
        tally.say(f"{len(state[0])} finished, cut off at {state[1]}")
    tally.finished = len(state[0])
    return tally


# Audits


async def audit(url: str, pid: int, after: float) -> None:
    """An audit that is begun, and killed with its app so long after."""
    async with httpx.AsyncClient(timeout=None) as client:
        visitor = Visitor(url, client, await config_of(url, client))
        await visitor.arrive()
        await visitor.do(visitor.event(None, "load", fills="audit-adapter"))
        event = visitor.event("audit-start", "click")
        if error := (await visitor.do(event, ADAPTER, "standard")).error:
            raise RuntimeError(error)
        running = asyncio.create_task(visitor.do(visitor.after(event)))
        await asyncio.wait([running], timeout=after)
        kill(pid)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await visitor.leave()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def reports(audits: Path) -> dict[str, str]:
    """The reports that are there, by name, with what their files are."""
    found = {}
    for folder in sorted(p for p in audits.glob("*") if not p.name.endswith(PART)):
        files = {p.name: p.read_bytes() for p in sorted(folder.iterdir())}
        read(folder / "report.json")  # raises where it is not whole
        whole = FILES <= set(files)
        found[folder.name] = hashlib.sha256(repr(files).encode()).hexdigest() if whole else "parts"
    return found


def at_work(audits: Path) -> bool:
    """Whether a process of an audit is there (Linux)."""
    own = str(audits).encode()
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if own in line.read_bytes():
                return True
        except OSError:
            continue
    return False


def ended(audits: Path, within: float = 60.0) -> bool:
    """Whether no process of an audit is there any more, soon."""
    until = time.monotonic() + within
    while at_work(audits) and time.monotonic() < until:
        time.sleep(0.1)
    return not at_work(audits)


def kill_audits(folder: Path, kills: int, rng: random.Random) -> Tally:
    """Many lives of the app, and a last one that finishes an audit."""
    tally, home = Tally(), folder / "data" / "sessions" / WHO
    audits, adapters, before = home / "audits", finished(home / "runs"), {}
    for i in range(kills + 1):
        pid, url = born(folder, WHO)
        rest = [*audits.glob(f"*{PART}"), *home.glob("bench-*"), *home.glob("stop-*")]
        tally.lost += [f"{p.name} remained" for p in rest]
        asyncio.run(audit(url, pid, rng.uniform(0, AUDIT) if i < kills else 600))
        tally.under_way += i < kills and bool(list(audits.glob(f"*{PART}")))
        tally.lost += [] if ended(audits) else ["a process went on"]
        now = reports(audits)
        tally.lost += [
            f"report {n}" for n, h in now.items() if before.get(n, h) != h or h == "parts"
        ]
        tally.lost += [f"report {n} is gone" for n in before if n not in now]
        if i == kills and len(now) == len(before):
            tally.lost.append("the last audit, which nothing cut short")
        before, tally.n = now, min(i + 1, kills)
        tally.say(f"{len(now)} reports")
    if finished(home / "runs") != adapters:
        tally.lost.append("an adapter")
    tally.finished = len(before)
    return tally


def main() -> int:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--kills", type=int, default=20, help="of each: sessions, then audits (20)")
    p.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    p.add_argument("--only", choices=("sessions", "audits"), help="one of both")
    p.add_argument(
        "--report", type=Path, metavar="FILE", help="write the JSON there too; the other kind stays"
    )
    args = p.parse_args()
    work = {"sessions": kill_sessions, "audits": kill_audits}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        told = {
            what: kills(Path(folder), args.kills, random.Random(args.seed)).values()
            for what, kills in work.items()
            if args.only in (None, what)
        }
    publish(told, args.report)
    if not all(t["under_way"] for t in told.values()):
        print("no kill fell into work of a kind: that was not tried", file=sys.stderr)
    return int(any(t["lost"] or not t["under_way"] for t in told.values()))


if __name__ == "__main__":
    sys.exit(main())
