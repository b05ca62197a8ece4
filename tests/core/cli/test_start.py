"""What keeps the app from starting is told in one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def started(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    asked = [sys.executable, "app.py", *options]
    return subprocess.run(
        asked, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, timeout=90
    )


def told(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert all(p in done.stderr for p in parts), done.stderr


def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    told(started("--data", str(tmp_path / "file")), "--data", "cannot hold files")
    told(started("--data", str(tmp_path / "file" / "below")), "cannot hold files")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    told(started("--data", str(tmp_path)), "cannot hold files")


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told(started("--data", str(tmp_path), "--port", str(port)), f"--port {port}", "running")
    told(started("--data", str(tmp_path), "--port", "99999"), "--port 99999")


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    told(started("--data", str(tmp_path), "--model", "no/such/folder"), "there is no folder")


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("ann:correct horse", 0o644, "chmod 600"),
        ("ann", 0o600, "line 1: expected user:password"),
        ("", 0o600, "names nobody"),
        (None, 0o600, "cannot be read"),
    ],
    ids=["others read it", "no password", "empty", "missing"],
)
def test_a_bad_list_of_users_is_told(
    tmp_path: Path, text: str | None, mode: int, message: str
) -> None:
    file = tmp_path / "users"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    told(started("--data", str(tmp_path), "--auth", str(file)), message)
