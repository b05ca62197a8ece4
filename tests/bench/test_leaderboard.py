"""Rows that others add: numbers that cannot be are refused, each with what is wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from hfru_core.bench.leaderboard import checked, problems
from hfru_core.bench.results_file import load, row_from
from hfru_core.cli.main import main
from hfru_core.paths import ASSETS
from hfru_core.types import UserError

BENCH = ASSETS / "reports" / "bench.json"
OURS = [r for r in load(BENCH).rows if r.kind == "method" and r.source == "world"]


def theirs(**changes: object) -> dict:
    row = copy.deepcopy(dict(OURS[0].raw)) | {"by": "somebody", "code": "https://example.org/1"}
    return row | changes


def test_all_rows_of_the_bench_have_numbers_that_can_be() -> None:
    found = {p.split()[0] for r in OURS if not r.error for p in problems(r)}
    assert found == {"'by'", "'code'"}, "who made a row stands in a leaderboard alone"


def test_a_row_as_the_bench_writes_it_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"schema": 1, "rows": [theirs()]}))
    assert main(["leaderboard", str(file), "--beside", str(BENCH)]) == 0
    assert OURS[0].label in capsys.readouterr().out
    assert main(["leaderboard", str(ASSETS / "leaderboard.json")]) == 0


def rate(**changes: object) -> dict:
    return {"values": OURS[0].raw["values"] | {"forget": {"rate": 0.5, "n": 256} | changes}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"by": " "}, "'by' names who"),
        ({"code": "http://example.org"}, "'code' is the https"),
        ({"variant": ""}, "'variant' says"),
        ({"kind": "reference"}, "a row is of a method"),
        ({"values": {}}, "retain is missing"),
        (rate(), "rate, low and high"),
        (rate(low=0.4, high=0.6), "Wilson interval of 128 of 256 is 0.4392"),
        (rate(rate=0.501, low=0.44, high=0.56), "no share of 256"),
        (rate(n=20, low=0.3, high=0.7), "n is 100 at least"),
    ],
)
def test_what_is_wrong_is_told(changes: dict, told: str) -> None:
    assert any(told in p for p in problems(row_from(theirs(**changes))))


def test_no_run_stands_there_twice(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps({"schema": 1, "rows": [theirs(), theirs(seed=99), theirs()]}))
    with pytest.raises(UserError, match=r"rows\[2\] .*already"):
        checked(file)
