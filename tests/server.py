"""The app served on loopback, and a client that speaks its HTTP as anybody may."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
import httpx

from hfru_core.data.samples import Amount
from hfru_core.studio.app import build_app, launch

API = "/gradio_api"
TRAIN = Amount(forget_train=4, retain_train=6, forget_eval=3, retain_eval=4)
JUDGE = Amount(0, 0, 2, 2)
SMALL = {
    "batch": 4, "retain_batch": 4, "grpo_prompts": 4, "group": 2, "max_new_tokens": 6,
    "lora_rank": 2,
}  # fmt: skip
PATIENCE = 120  # seconds: a machine may be busy


@contextmanager
def served(data_folder: Path, **more: object) -> Iterator[tuple[gr.Blocks, str]]:
    """The page and its address; its sessions are small."""
    page = build_app(data_folder=data_folder, amount=TRAIN, checked=JUDGE, settings=SMALL)
    _, url, _ = launch(page, "127.0.0.1", None, prevent_thread_lock=True, quiet=True, **more)
    try:
        yield page, url.rstrip("/")
    finally:
        page.close()


@dataclass
class Visitor:
    """Plain HTTP with a session of its own, no client library in between."""

    url: str
    session: str = field(default_factory=lambda: secrets.token_hex(8))
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE))

    def config(self) -> dict:
        return self.http.get(f"{self.url}/config").json()

    def upload(self, content: bytes, name: str) -> dict:
        """A file as Gradio takes it in an event; raises where it is refused."""
        said = self.http.post(f"{self.url}{API}/upload", files={"files": (name, content)})
        said.raise_for_status()
        return file_at(said.json()[0])

    def index(self, name: str) -> int:
        """The number of an event by its API name."""
        return next(d["id"] for d in self.config()["dependencies"] if d["api_name"] == name)

    def event(self, elem_id: str, trigger: str) -> dict:
        """What happens on a component's trigger, with the values that its inputs begin with."""
        config = self.config()
        by_id = {c["id"]: c["props"] for c in config["components"]}
        one = next(i for i, props in by_id.items() if props.get("elem_id") == elem_id)
        found = next(
            d for d in config["dependencies"] if [one, trigger] in [list(t) for t in d["targets"]]
        )
        return {**found, "values": [by_id[i].get("value") for i in found["inputs"]]}

    def join(self, index: object, values: object) -> httpx.Response:
        body = {"fn_index": index, "data": values, "session_hash": self.session}
        return self.http.post(f"{self.url}{API}/queue/join", json=body)

    def ask(self, index: int, values: list) -> dict:
        """What an event ends with: `success` and `output`."""
        joined = self.join(index, values)
        joined.raise_for_status()
        where = f"{self.url}{API}/queue/data?session_hash={self.session}"
        with self.http.stream("GET", where) as stream:
            for line in filter(None, stream.iter_lines()):
                told = json.loads(line.removeprefix("data: "))
                mine = told.get("event_id") == joined.json()["event_id"]
                if mine and told["msg"] == "process_completed":
                    return told
        raise AssertionError("the stream ended without a result")


def file_at(path: str) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def uploaded(data_folder: Path, name: str) -> Path:
    """Where a file lies that was uploaded under this name."""
    path = data_folder / "cache" / "uploads" / secrets.token_hex(16) / "hash" / name
    path.parent.mkdir(parents=True)
    return path
