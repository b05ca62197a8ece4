"""Locks: one process at a time takes one, and a dead one keeps none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hfru_core import locks
from hfru_core.types import UserError
from tests.conftest import ROOT

NOBODY = "4194305"  # more than any process has
# Looking whether the holder lives takes long here, so that both would see the dead one.
CLAIM = """
import os, sys, time
from pathlib import Path
from hfru_core import locks
from hfru_core.types import UserError

look = os.kill
def slow(*args):
    time.sleep(0.5)
    look(*args)
os.kill = slow
print("ready", flush=True)
sys.stdin.readline()
try:
    locks.claim(Path(sys.argv[1]))
    print("won", flush=True)
except UserError:
    print("lost", flush=True)
sys.stdin.readline()
"""


def test_one_of_two_processes_takes_the_lock_of_a_dead_one(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(NOBODY)
    command = [sys.executable, "-c", CLAIM, str(lock)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(2)]
    try:
        assert [r.stdout.readline() for r in racers] == ["ready\n"] * 2
        for racer in racers:
            racer.stdin.write("go\n")
            racer.stdin.flush()
        told = {racer.stdout.readline().strip(): racer.pid for racer in racers}
    finally:
        for racer in racers:
            racer.communicate("end\n", timeout=20)
    assert sorted(told) == ["lost", "won"] and lock.read_text() == str(told["won"])


def test_a_lock_that_was_deleted_while_it_was_opened_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, serialise = tmp_path / "lock", locks.serialise
    lock.write_text(NOBODY)

    def late(file) -> None:
        monkeypatch.setattr(locks, "serialise", serialise)
        lock.unlink()

    monkeypatch.setattr(locks, "serialise", late)
    locks.claim(lock)
    assert lock.read_text() == str(os.getpid())
    with pytest.raises(UserError, match=f"already running .process {os.getpid()}"):
        locks.claim(lock)


def test_without_the_systems_locks_the_number_alone_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    (tmp_path / "lock").write_text(NOBODY)
    with locks.alone(tmp_path / "lock"), pytest.raises(UserError, match="already running"):
        locks.claim(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_a_process_of_another_user_holds_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    assert locks.held("1") and not locks.held("")
