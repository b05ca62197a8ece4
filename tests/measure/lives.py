"""A small app in a forked process, for scripts that kill it or cut its lines: a random model, an
adapter of it, sessions of some steps, and audits whose checks wait."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import torch

# Imported once, before the first fork; nothing here starts a thread.
from hfru_core import pipeline
from hfru_core.data.samples import Amount
from hfru_core.data.source import parse_source
from hfru_core.evaluate import evaluate  # noqa: F401
from hfru_core.model import vlm
from hfru_core.studio.app import build_app, launch
from hfru_core.studio.sessions import audit_run
from hfru_core.studio.sessions.pages import Pages
from tests.conftest import random_model
from tests.measure.visitors import free_port

AMOUNT, JUDGED = Amount(4, 6, 2, 2), Amount(0, 0, 2, 2)
SHORT = {
    "batch": 4, "retain_batch": 4, "grpo_prompts": 4, "group": 2, "max_new_tokens": 6,
    "lora_rank": 2, "checkpoint_every": 2, "check_every": 4,
    "augment_to": 0,  # else the random model, whose answers have no end, is asked for minutes
}  # fmt: skip
ADAPTER = "shipped/no-dog"
AUDIT = "tests.measure.waiting_audit"


def forked(work: Callable[[], object]) -> int:
    """Do it in a process of its own, whose threads (and its children's) do not wait in turns."""
    pid = os.fork()
    if pid == 0:
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)
        try:
            work()
        finally:
            os._exit(0)
    return pid


def prepare(folder: Path) -> None:
    """Make the model and its adapter."""
    if os.waitpid(forked(partial(made, folder)), 0)[1] or not (folder / "adapters/no-dog").is_dir():
        raise RuntimeError("the model or its adapter could not be made")


def made(folder: Path) -> None:
    model = random_model(folder / "model", seed=0)
    wish = pipeline.plan(parse_source("world"), "dog", steps=4, scope="encoder", **SHORT)
    prepared = pipeline.prepare(wish, partial(vlm.load, model, device="cpu"), AMOUNT)
    list(pipeline.unlearn(prepared, folder / "adapters" / "no-dog").run())


def short_audit(whole: Callable[..., list[str]], *asked: object) -> list[str]:
    """The command of an audit whose checks wait: ten seconds, and next to no work."""
    return [AUDIT if word == "audit" else word for word in whole(*asked)]


def serve(folder: Path, port: int, visitor: str) -> None:
    """One life of the app; it ends by a signal. With `visitor` everybody is that one."""
    if visitor:
        Pages.visitor = lambda self, page: visitor
    audit_run.command = partial(short_audit, audit_run.command)
    page = build_app(
        folder / "model",
        folder / "data",
        adapters=folder / "adapters",
        amount=AMOUNT,
        checked=JUDGED,
        settings=SHORT,
    )
    launch(page, "127.0.0.1", port, quiet=True)


def born(folder: Path, visitor: str = "") -> tuple[int, str]:
    """Start the app; its process and address, once it answers."""
    port = free_port()
    pid, url = forked(partial(serve, folder, port, visitor)), f"http://127.0.0.1:{port}"
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            urlopen(url, timeout=5).read()
            return pid, url
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the app did not start")


def publish(told: dict[str, dict], report: Path | None) -> None:
    """Print what was found by kind, and put it into the report with the command that found it."""
    name = Path(sys.argv[0]).stem
    command = " ".join(["python", "-m", f"tests.measure.{name}", *sys.argv[1:]])
    told = {kind: {"command": command, **values} for kind, values in told.items()}
    if report:
        before = json.loads(report.read_text()) if report.is_file() else {}
        report.write_text(json.dumps({**before, **told}, indent=1) + "\n")
    print(json.dumps(told))
