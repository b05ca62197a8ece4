"""The check for known advisories never ends in silence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

NOBODY = 'grep "==" constraints.txt | sed "s/.*/& could not be audited/"; exit 0'


@pytest.mark.parametrize(
    ("tool", "last", "plain", "strict"),
    [
        ("echo No known vulnerabilities found", "NONE KNOWN", 0, 0),
        ("echo Found 1 known vulnerability in 1 package; exit 1", "KNOWN, see above", 1, 1),
        ("echo connection refused; exit 1", "NOT CHECKED", 0, 1),
        (NOBODY, "NOT CHECKED", 0, 1),
    ],
    ids=["none", "known", "no network", "nothing in the database"],
)
def test_its_last_line_says_what_is_known(
    tmp_path: Path, tool: str, last: str, plain: int, strict: int
) -> None:
    stub = tmp_path / "pip-audit"
    stub.write_text(f"#!/bin/sh\n{tool}\n")
    stub.chmod(0o755)
    for options, expected in (((), plain), (("--strict",), strict)):
        asked = [str(ROOT / ".ci" / "advisories"), *options]
        env = {**os.environ, "PIP_AUDIT": str(stub)}
        done = subprocess.run(asked, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == expected, done.stdout
        assert last in done.stdout.splitlines()[-1]
