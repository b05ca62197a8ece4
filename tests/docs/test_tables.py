"""The tables in the documents say what the reports say."""

from dataclasses import replace

import pytest

from hfru_core.bench.results_file import load
from hfru_core.types import Rate
from tests.conftest import ROOT
from tests.measure import tables


def test_the_tables_are_those_of_the_reports() -> None:
    for path, text in tables.pages().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name}: python -m tests.measure.tables --write"
        )


def test_a_changed_number_changes_its_line() -> None:
    rows = load(ROOT / "assets" / "reports" / "bench.json").rows
    at = next(i for i, r in enumerate(rows) if r in tables.plain(rows) and r.method == "npo")
    changed = replace(rows[at], values={**rows[at].values, "retain": Rate(0.0, 1, 0.0, 0.0)})
    before = tables.own_budgets(rows)
    after = tables.own_budgets((*rows[:at], changed, *rows[at + 1 :]))
    assert [b.split(" | ")[0] for a, b in zip(before, after) if a != b] == ["| NPO"]
    with pytest.raises(SystemExit, match="no table whose first row begins with '. Base model"):
        tables.placed("# A page\n", before)
