"""A child process that is followed: its JSON lines as they come, stopped at once, how it ended.

A child has randomness and memory of its own, and ends when this process does.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from hfru_core.paths import ROOT

PARENT = "HFRU_PARENT"


@dataclass
class Child:
    """A process that waits or is under way, so that it can be stopped from elsewhere."""

    process: subprocess.Popen[str] | None = None
    stopped: bool = False
    message: str = ""  # its error, where it told one

    @property
    def code(self) -> int | None:
        """Its exit code; None where it is not over."""
        return self.process.returncode if self.process else None

    def stop(self) -> None:
        """End it now, and whatever it has started."""
        self.stopped = True
        if self.process and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def follow(
        self, command: Sequence[str], every: float | None = None
    ) -> Iterator[dict[str, Any] | None]:
        """Start a process and yield each JSON object that it prints on a line of its own.

        With `every`, None is yielded whenever there was no line for so many seconds: whoever
        listens can leave then. A listener that leaves stops the process.
        """
        with tempfile.TemporaryFile("w+") as errors:
            with self.start(command, errors) as process:
                try:
                    for line in lines(process.stdout, every):
                        value = json_object(line) if line else None
                        if value is not None or not line:
                            yield value
                except GeneratorExit:  # Leaving waits for the process.
                    self.stop()
                    raise
            self.message = last_error(errors)

    def start(self, command: Sequence[str], errors: IO[str]) -> subprocess.Popen[str]:
        """The process, the leader of a group of its own."""
        self.process = subprocess.Popen(
            command,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        if self.stopped:  # While the process was being made.
            self.stop()
        return self.process


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of this project, in this interpreter."""
    return [sys.executable, "-m", name, *arguments]


def environment() -> dict[str, str]:
    """Variables of a child that ends with this process and finds this project's modules.

    The app may have been started from any folder, whose own modules the child does not import.
    """
    path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH")) if p)
    own = {PARENT: str(os.getpid()), "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    return {**os.environ, **own}


def end_with_parent() -> None:
    """End this process soon after the one that asked for it: a killed app leaves no work behind."""
    parent = os.environ.pop(PARENT, "")

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os._exit(2)

    if parent:
        threading.Thread(target=watch, name="parent", daemon=True).start()


def lines(stream: IO[str] | None, every: float | None) -> Iterator[str | None]:
    """The lines as they come, and None whenever there was none for so many seconds."""
    arrived: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in stream or ():
            arrived.put(line)
        arrived.put("")

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = arrived.get(timeout=every)
        except queue.Empty:
            yield None
            continue
        if not line:
            return
        yield line


def json_object(line: str) -> dict[str, Any] | None:
    """The object on a line, None of any other line: a library may print some in between."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def last_error(errors: IO[str]) -> str:
    """The message of a process that refused, "" where it left none."""
    errors.seek(0)
    messages = [line for line in errors.read().splitlines() if line.startswith("error: ")]
    return messages[-1].removeprefix("error: ") if messages else ""
