"""A child process: its lines, its end, its errors, and where it finds this project."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from hfru_core.child_process import Child, environment, module
from tests.conftest import ROOT


def script(*lines: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(("import os, subprocess, sys, time", *lines))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_objects_are_told_and_other_lines_are_not() -> None:
    child = Child()
    lines = ('{"a": 1}', "noise", "[1]", '{"b": 2}')
    told = child.follow(script(*(f"print({line!r}, flush=True)" for line in lines), "sys.exit(3)"))
    assert list(told) == [{"a": 1}, {"b": 2}]
    assert child.code == 3 and child.message == "" and not child.stopped


def test_the_last_error_is_kept() -> None:
    child = Child()
    lines = ("error: first", "noise", "error: no dog", "more noise")
    assert not list(child.follow(script(f"sys.exit({chr(10).join(lines)!r})")))
    assert child.message == "no dog" and child.code == 1


def test_stopping_ends_the_whole_process_group() -> None:
    child = Child()
    told = child.follow(
        script(
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
            "print('{\"pid\": %d}' % child.pid, flush=True)",
            "time.sleep(60)",
        )
    )
    grandchild = next(told)["pid"]
    child.stop()
    assert not list(told) and child.code < 0
    until = time.monotonic() + 10
    while alive(grandchild) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(grandchild)


def test_a_child_that_was_stopped_before_it_began_does_not_run() -> None:
    child = Child(stopped=True)
    assert not list(child.follow(script("time.sleep(60)"))) and child.code < 0


def test_a_child_finds_the_project_from_any_folder_and_nothing_else_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('a module of the folder was imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    child = Child()
    code = 'import hfru_core, audit; print(\'{"at": "%s"}\' % hfru_core.__file__)'
    assert list(child.follow([sys.executable, "-c", code])) == [
        {"at": str(ROOT / "hfru_core" / "__init__.py")}
    ]
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert environment()["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "elsewhere"]
    assert not list(child.follow(module("audit", "gone", "--out", "x")))
    assert child.code == 2 and "There is no adapter folder" in child.message
