"""Cut the line between a page and the app at random moments of sessions and audits: what is lost?

    python -m tests.measure.cuts --cuts 20 --report assets/reports/cuts.json

Each visitor reaches the app through a TCP proxy of their own, begins a session or an audit, and has
the line cut once, for 1 to 60 s: half of the lines are reset, the others fall silent first. Then
the page does what Gradio's does: it asks every two seconds whether the app is there, and loads
itself anew with its browser's token. It must be told the end of the run, and be offered the adapter
or the report, which must be whole.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import signal
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import httpx

from audit.report.json_file import read
from hfru_core.adapters.validate import check_hashes, checked_record
from hfru_core.files import PART
from hfru_core.stats import wilson
from hfru_core.studio.server.browser import visitor_of
from tests.measure.lives import ADAPTER, born, prepare, publish
from tests.measure.visitors import API, Visitor, config_of

STEPS = 12
LATEST = {
    "sessions": 20.0,
    "audits": 25.0,
}  # seconds from the beginning of a run to its cut, at most
CUT = (1.0, 60.0)  # seconds
PATIENCE = 300.0  # seconds until the end of a run must be told
AGAIN = 2.0  # seconds between two questions whether the app is there, as Gradio's page asks
START = {"sessions": "start", "audits": "audit-start"}
STATE = {"sessions": "status", "audits": "audit-status"}
FORM = {
    "sessions": [["dog"], [], "default", 0, STEPS, "encoder", "", "object", None, "", "", ""],
    "audits": [ADAPTER, "standard"],
}


class Line:
    """A TCP proxy to a port of this machine, that can be cut."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.whole = asyncio.Event()
        self.whole.set()
        self.ends: set[asyncio.StreamWriter] = set()

    async def open(self) -> str:
        """Begin to listen; the address."""
        self.server = await asyncio.start_server(self.join, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways; none while the line is cut."""
        if not self.whole.is_set():
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        ends = {writer, up_writer}
        self.ends |= ends
        with suppress(OSError, asyncio.CancelledError):  # at the end some lines are still open
            await asyncio.gather(self.pump(reader, up_writer), self.pump(up_reader, writer))
        self.ends -= ends

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What comes from one end, to the other; a line that is silent holds it back."""
        try:
            while part := await reader.read(2**16):
                await self.whole.wait()
                writer.write(part)
                await writer.drain()
        finally:
            writer.close()

    async def cut(self, seconds: float, silent: bool) -> None:
        """Nothing passes for a while; a silent line is reset at the end only."""
        self.whole.clear()
        if not silent:
            self.reset()
        await asyncio.sleep(seconds)
        self.reset()
        self.whole.set()

    def reset(self) -> None:
        for end in list(self.ends):
            end.transport.abort()


@dataclass
class Tally:
    """What the cuts came upon; `when` they fell, as the page saw it."""

    n: int = 0
    when: dict[str, int] = field(default_factory=Counter)
    silent: int = 0
    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def values(self) -> dict[str, object]:
        """With the 95 % interval of the share that was lost."""
        plain = replace(self, when=dict(self.when))  # asdict would count a counter's pairs
        return {**asdict(plain), "interval": wilson(min(len(self.lost), self.n), self.n)}


@dataclass(frozen=True)
class Cut:
    """One of them: what is cut, when, for how long, and how."""

    kind: str
    after: float
    seconds: float
    silent: bool


@dataclass
class Told:
    """What a page has heard of a run."""

    began: bool = False
    done: bool = False
    error: str = ""

    async def listen(self, visitor: Visitor, event: dict) -> None:
        async for message in visitor.messages(event):
            words = json.dumps(message)
            self.began |= message["msg"] == "process_generating"
            self.done |= "<b>Done" in words
            if message["msg"] == "process_completed":
                self.error = "" if message["success"] else words[:300]
                return


async def loaded(url: str, client: httpx.AsyncClient, token: str) -> Visitor:
    """A page that has loaded: its line is open and the browser's token told."""
    await client.post(f"{url}{API}/run/back", json={"data": [token]})
    visitor = Visitor(url, client, await config_of(url, client))
    await visitor.arrive()
    await visitor.do(visitor.event(None, "load", fills="cards"), token)
    return visitor


async def reloaded(url: str, token: str) -> tuple[httpx.AsyncClient, Visitor]:
    """The page again, once the app is there."""
    while True:
        client = httpx.AsyncClient(timeout=PATIENCE)
        with suppress(httpx.HTTPError):
            (await client.get(f"{url}{API}/app_id")).raise_for_status()
            return client, await loaded(url, client, token)
        await client.aclose()
        await asyncio.sleep(AGAIN)


async def offered(visitor: Visitor) -> str:
    """The adapters and reports that a page may choose from."""
    return json.dumps((await visitor.do(visitor.event(None, "load", fills="audit-adapter"))).data)


def attaching(visitor: Visitor, kind: str) -> dict:
    """The event by which a page that has loaded watches what is under way of a kind."""
    load = visitor.event(None, "load", fills="cards")
    shown = {visitor.ids[START[kind]], visitor.ids[STATE[kind]]}
    return next(
        e for e in visitor.events if e["trigger_after"] == load["id"] and shown <= set(e["outputs"])
    )


async def begun(visitor: Visitor, kind: str) -> Told:
    """Press the button, and begin to listen; the page's line may be cut from now on."""
    await offered(visitor)
    event = visitor.event(START[kind], "click")
    said = await visitor.do(event, *FORM[kind])
    if said.error:
        raise RuntimeError(said.error)
    told = Told()
    visitor.hearing = asyncio.create_task(told.listen(visitor, visitor.after(event)))
    return told


async def visit(port: int, cut: Cut, data: Path, tally: Tally) -> None:
    """One visitor whose line is cut once."""
    line, token = Line(port), secrets.token_hex(16)
    url = await line.open()
    client, page = await reloaded(url, token)
    told = await begun(page, cut.kind)
    await asyncio.wait([page.hearing], timeout=cut.after)
    tally.when["over" if told.done else "under way" if told.began else "waiting"] += 1
    await line.cut(cut.seconds, cut.silent)
    page.hearing.cancel()
    await asyncio.gather(page.hearing, return_exceptions=True)
    await page.leave()
    await client.aclose()
    client, again = await reloaded(url, token)
    if not told.done:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(told.listen(again, attaching(again, cut.kind)), PATIENCE)
    offers = await offered(again)
    await again.leave()
    await client.aclose()
    line.server.close()
    tally.n += 1
    tally.silent += cut.silent
    tally.seconds.append(round(cut.seconds, 1))
    tally.lost += missing(cut, told, offers, data / "sessions" / visitor_of(token))
    print(f"{cut}: {told}, lost {tally.lost}", file=sys.stderr, flush=True)


def missing(cut: Cut, told: Told, offers: str, home: Path) -> list[str]:
    """What the visitor did not get."""
    where = home / ("runs" if cut.kind == "sessions" else "audits")
    made = [p for p in where.glob("*") if not p.name.endswith(PART)]
    gone = [] if told.done and not told.error else [f"the end: {told}"]
    gone += [] if len(made) == 1 and f"mine/{made[0].name}" in offers else [f"offered: {made}"]
    gone += [f"{p.name} remained" for p in where.glob(f"*{PART}")]
    for folder in made:
        if cut.kind == "sessions":
            check_hashes(folder, checked_record(folder).hashes)
        else:
            read(folder / "report.json")
    return [f"{cut}: {g}" for g in gone]


async def cut_often(port: int, cuts: list[Cut], at_once: int, data: Path) -> Tally:
    """Several visitors at a time, one after the other."""
    tally, places = Tally(), asyncio.Semaphore(at_once)

    async def one(cut: Cut) -> None:
        async with places:
            await visit(port, cut, data, tally)

    await asyncio.gather(*map(one, cuts))
    return tally


def drawn(kind: str, number: int, rng: random.Random) -> list[Cut]:
    return [
        Cut(kind, rng.uniform(0, LATEST[kind]), rng.uniform(*CUT), silent=bool(i % 2))
        for i in range(number)
    ]


def measured(folder: Path, kind: str, args: argparse.Namespace) -> Tally:
    """The cuts of a kind, in one life of the app."""
    pid, url = born(folder)
    try:
        cuts = drawn(kind, args.cuts, random.Random(args.seed))
        port = int(url.rpartition(":")[2])
        return asyncio.run(cut_often(port, cuts, args.at_once, folder / "data"))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def main() -> int:
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--cuts", type=int, default=20, help="of each: sessions, then audits (20)")
    p.add_argument("--at-once", type=int, default=4, help="visitors at a time; one works (4)")
    p.add_argument("--seed", type=int, default=0, help="of moments and lengths (0)")
    p.add_argument("--only", choices=("sessions", "audits"), help="one of both")
    p.add_argument(
        "--report", type=Path, metavar="FILE", help="write the JSON there too; the other kind stays"
    )
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        kinds = [args.only] if args.only else list(START)
        told = {}
        for kind in kinds:
            told[kind] = measured(Path(folder), kind, args).values()
            publish({kind: told[kind]}, args.report)
    return int(any(t["lost"] for t in told.values()))


if __name__ == "__main__":
    sys.exit(main())
