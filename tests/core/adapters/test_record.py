"""The record of an adapter: read without torch, checked, and written as it was read."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hfru_core import __version__
from hfru_core.adapters import combine
from hfru_core.adapters.record import INFO, read_record, record_from
from hfru_core.adapters.validate import checked_record
from hfru_core.types import UserError
from tests.conftest import ROOT

SHIPPED = sorted((ROOT / "assets" / "adapters").iterdir())
LIGHT = """
import sys
from pathlib import Path
from hfru_core.adapters.record import read_record
print(read_record(Path(sys.argv[1])).names)
heavy = {"torch", "peft", "transformers", "numpy"} & set(sys.modules)
assert not heavy, heavy
"""


def test_a_record_is_read_without_torch_and_peft() -> None:
    asked = [sys.executable, "-c", LIGHT, str(ROOT / "assets" / "adapters" / "dog")]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "dog\n"


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda p: p.name)
def test_adapters_of_before_have_no_date_and_lose_nothing(folder: Path) -> None:
    record = read_record(folder)
    assert record == checked_record(folder) and record.created is None
    values, written = json.loads((folder / INFO).read_text()), record.to_json()
    measures = {k: written.pop(k) for k in ("base_metrics", "metrics")}
    for name, rates in measures.items():
        assert rates.items() >= values.pop(name).items()
    assert json.loads(json.dumps(written)) == values and list(written) == list(values)


def test_a_new_adapter_has_its_date_and_the_projects_version(trained: Path, tmp_path: Path) -> None:
    for folder in (trained, combine.scale(trained, 0.5, tmp_path / "half")):
        record = checked_record(folder)
        age = datetime.now(UTC) - datetime.fromisoformat(record.created or "")
        assert 0 <= age.total_seconds() < 3600
        assert record.versions["hfru_core"] == __version__
        assert record_from(json.loads((folder / INFO).read_text())) == record


def test_a_history_is_one_of_typed_steps(trained: Path) -> None:
    record = checked_record(trained)
    assert [e.step for e in record.history] == [1, 2, 3, 4]
    assert {e.of for e in record.history} == {4} and record.session.step == 4


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", 2, "its schema is 2"),
        ("created", 7, "expected a line of text, got 7"),
        ("history", [{"step": 1}], "not readable as schema 1"),
        ("history", 5, "not readable as schema 1"),
        ("session", {"luck": 1}, "not readable as schema 1"),
        ("session", {"step": "two"}, "expected a number, got 'two'"),
        ("versions", {"torch": 2}, "expected a line of text, got 2"),
        ("data", {"source": "a\nb", "fingerprint": "f"}, "expected a line of text"),
        ("config", {"preset": "default"}, "'seed'"),
        ("config", {"preset": "default", "seed": 0, "scope": ["all"]}, "expected a line of text"),
    ],
)
def test_what_is_wrong_in_a_record_is_named(
    trained: Path, tmp_path: Path, key: str, value: object, message: str
) -> None:
    values = json.loads((trained / INFO).read_text())
    (tmp_path / INFO).write_text(json.dumps({**values, key: value}))
    with pytest.raises(UserError, match=message):
        read_record(tmp_path)


def test_a_folder_without_a_record_is_not_an_adapter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not an adapter of this project: unlearning.json"):
        read_record(tmp_path)


HUGE = 10**400


@pytest.mark.parametrize(
    "change",
    [
        {"concepts": [{"aliases": ["w"] * 2_001}]},
        {"concepts": [{"aliases": ["w" * 101]}]},
        {"concepts": [{"name": "n" * 101}]},
        {"concepts": [{}] * 65},
        {"history": [{"step": 1}] * 10_001},
        {"parts": [{"weights": "0", "strength": HUGE, "concepts": ["dog"]}]},
        {"parts": [{"weights": "0", "strength": float("1e300"), "concepts": ["dog"]}]},
        {"parts": [{"weights": "0", "strength": -1, "concepts": ["dog"]}]},
        {"session": "x"},
        {"session": {"step": HUGE}},
        {"config": {"preset": "default", "seed": HUGE}},
        {"config": {"preset": "default", "seed": 0, "deep": {"deep": {}}}},
        {"config": {"preset": "x" * 5_000, "seed": 0}},
        {"data": "x"},
        {"versions": {str(i): "1" for i in range(201)}},
    ],
    ids=lambda change: f"{next(iter(change))}",
)
def test_a_record_that_would_cost_others_time_is_refused(
    trained: Path, tmp_path: Path, change: dict
) -> None:
    values = json.loads((trained / INFO).read_text())
    concept = values["concepts"][0]
    if "concepts" in change:
        change = {"concepts": [{**concept, **c} for c in change["concepts"]]}
    (tmp_path / INFO).write_text(json.dumps({**values, **change}))
    with pytest.raises(UserError) as refused:
        read_record(tmp_path)
    assert len(str(refused.value)) < 400 and "\n" not in str(refused.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "1" * 5_000])
def test_no_number_of_a_record_is_without_bounds(
    trained: Path, tmp_path: Path, number: str
) -> None:
    text = (trained / INFO).read_text()
    assert '"best_step": ' in text
    head, _, tail = text.partition('"best_step": ')
    (tmp_path / INFO).write_text(f'{head}"best_step": {number}, "seconds": 1.0}}, "x": [{tail}')
    with pytest.raises(UserError):
        read_record(tmp_path)


def test_a_record_of_many_megabytes_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / INFO).write_text('{"schema": 1, "x": "' + "y" * 2**20 + '"}')
    with pytest.raises(UserError, match="bytes; at most 1048576 are read"):
        read_record(tmp_path)
