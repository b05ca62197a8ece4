"""The app in a process of its own, and visitors who speak to its queue as a page does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import httpx

ROOT = Path(__file__).parents[2]
API = "/gradio_api"
ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
PATIENCE = 300  # seconds until the app must have answered


@dataclass(frozen=True)
class Answer:
    """How long a visitor waited for their turn, and for the whole answer; what went wrong."""

    waited: float
    seconds: float
    error: str = ""
    data: tuple = ()


@dataclass(frozen=True)
class Served:
    """An app that runs: its address and its process."""

    url: str
    process: subprocess.Popen

    def resident_mb(self) -> float:
        """Resident memory of the process (Linux)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def started(data: Path, *command: str) -> Served:
    """Start the app (or what `command` names); it may not answer yet."""
    port = str(free_port())
    line = [sys.executable, *(command or ("app.py",)), "--port", port, "--data", str(data)]
    process = subprocess.Popen(line, cwd=ROOT, env=ENV, stdout=subprocess.DEVNULL)
    return Served(f"http://127.0.0.1:{port}", process)


def wait_for(app: Served) -> None:
    """Return when the page is served."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            urlopen(app.url, timeout=5).read()
            return
        except OSError:
            if app.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the app ended with {app.process.poll()}") from None
            time.sleep(0.05)


@contextmanager
def serving(data: Path) -> Iterator[Served]:
    """The app while the block runs."""
    app = started(data)
    try:
        wait_for(app)
        yield app
    finally:
        app.process.kill()
        app.process.wait()


class Visitor:
    """A page without a browser: its session, the app's events, and the line that tells it is there.

    Events are named by what triggers them: `("question", "submit")`.
    """

    def __init__(self, url: str, client: httpx.AsyncClient, config: dict) -> None:
        self.base, self.client = url + API, client
        self.session = secrets.token_hex(8)
        self.ids = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self.events = config["dependencies"]
        self.heart: asyncio.Task | None = None

    def event(self, name: str | None, action: str, fills: str | None = None) -> dict:
        """The event of a component (None: of the page) that fills another component."""
        return next(
            e
            for e in self.events
            if any(a == action and (name is None or i == self.ids[name]) for i, a in e["targets"])
            and (fills is None or self.ids[fills] in e["outputs"])
        )

    def after(self, event: dict) -> dict:
        """The event that follows another one."""
        return next(e for e in self.events if e["trigger_after"] == event["id"])

    async def arrive(self) -> None:
        """Open the line that a page holds open as long as it is there."""

        async def beat() -> None:
            where = f"{self.base}/heartbeat/{self.session}"
            with suppress(httpx.HTTPError):  # of an app that was killed
                async with self.client.stream("GET", where, timeout=None) as stream:
                    async for _ in stream.aiter_raw():
                        pass

        self.heart = asyncio.create_task(beat())
        await asyncio.sleep(0.05)

    async def leave(self) -> None:
        """Close it: as a tab that is closed."""
        if self.heart:
            self.heart.cancel()
            await asyncio.gather(self.heart, return_exceptions=True)

    async def at_once(self, event: dict, *data: object) -> dict:
        """An event that does not queue."""
        asked = {
            "data": list(data),
            "fn_index": event["id"],
            "session_hash": self.session,
            "trigger_id": event["targets"][0][0],
        }
        return (await self.client.post(f"{self.base}/run/predict", json=asked)).json()

    async def do(self, event: dict, *data: object, chosen: object = None) -> Answer:
        """An event from asking to its last message."""
        began, starts = time.perf_counter(), None
        async for message in self.messages(event, *data, chosen=chosen):
            if message["msg"] == "process_starts":
                starts = time.perf_counter()
            if message["msg"] == "process_completed":
                ended, output = time.perf_counter(), message["output"]
                error = "" if message["success"] else str(output.get("error") or "an error")
                return Answer(
                    (starts or ended) - began, ended - began, error, tuple(output.get("data") or ())
                )
            if message["msg"] == "unexpected_error":
                return Answer(0, time.perf_counter() - began, str(message["message"]))
        return Answer(0, time.perf_counter() - began, "the stream ended without an answer")

    async def messages(self, event: dict, *data: object, chosen: object = None):
        """What the queue tells about an event."""
        asked = {
            "data": list(data),
            "event_data": chosen,
            "fn_index": event["id"],
            "trigger_id": event["targets"][0][0] if event["targets"] else None,
            "session_hash": self.session,
        }
        joined = await self.client.post(f"{self.base}/queue/join", json=asked)
        joined.raise_for_status()
        number = joined.json()["event_id"]
        where = f"{self.base}/queue/data?session_hash={self.session}"
        async with self.client.stream("GET", where, timeout=PATIENCE) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    if message.get("event_id") in (None, number):
                        yield message


async def config_of(url: str, client: httpx.AsyncClient) -> dict:
    return (await client.get(f"{url}/config")).json()
