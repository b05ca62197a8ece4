"""`bench.json` and its table: what is checked, grouped, sorted and written; nothing becomes 0."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfru_core.bench.columns import ARROWS, BY_KEY, COLUMNS, MISSING
from hfru_core.bench.results_file import Bench, Row, json_text, load, row_from
from hfru_core.bench.table import Filter, choices, csv_text, group, harmless, markdown, sort
from hfru_core.types import UserError

RATE = {"rate": 0.9, "n": 100, "low": 0.8, "high": 0.95}
SHARES = st.floats(0, 2)


def raw(**changes: object) -> dict:
    """A row as it stands in the file."""
    return {
        "method": "npo",
        "label": "NPO",
        "variant": "beta 0.1",
        "kind": "method",
        "scope": "decoder",
        "task": "dog,elephant",
        "seed": 0,
        "budget": "own",
        "steps": 60,
        "values": {"forget": RATE},
        "verdict": "leak",
        "reasons": ["probe"],
        "seconds": 33.1,
        "audit_seconds": 61.0,
        "peak_mb": 812,
        "versions": {"torch": "2"},
        "command": "python -m hfru_core bench --methods npo",
        "error": None,
        **changes,
    }


def reference(name: str, **changes: object) -> dict:
    return raw(
        method=name,
        label=name.title(),
        kind="reference",
        scope="",
        verdict=None,
        budget="",
        **changes,
    )


def measured(**rates: float | None) -> dict:
    return {k: None if v is None else {**RATE, "rate": v} for k, v in rates.items()}


def made(**changes: object) -> Row:
    return row_from(raw(**changes))


def write(folder: Path, rows: list[dict], **changes: object) -> Path:
    path = folder / "bench.json"
    whole = {"schema": 1, "note": "a note", "settings": {"pictures": 64}, "rows": rows, **changes}
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


# Reading


def test_a_file_is_read_and_written_again_with_what_is_not_known_here(tmp_path: Path) -> None:
    rows = [raw(strange=[1]), raw(seed=1, values={"forget": RATE, "new": RATE, "nf4": None})]
    bench = load(write(tmp_path, rows))
    assert bench.note == "a note" and bench.settings == {"pictures": 64}
    assert set(bench.rows[1].values) == {"forget"}
    (tmp_path / "again.json").write_text(json_text(bench), encoding="utf-8")
    assert load(tmp_path / "again.json") == bench
    assert json.loads(json_text(bench))["rows"] == rows


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"schema": 2}, "schema: expected 1, got 2"),
        ({"schema": True}, "schema: expected 1, got True"),
        ({"rows": {}}, "rows: expected a list"),
        ({"rows": ["npo"]}, r"rows\[0\]: expected an object"),
        ({"settings": [1]}, "settings: expected an object"),
        ({"note": 3}, "note: expected text, got 3"),
    ],
)
def test_a_malformed_file_is_refused(changes: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        load(write(tmp_path, **{"rows": [raw()], **changes}))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": None}, "method: expected a value"),
        ({"command": None}, "command: expected a value"),
        ({"seed": "0"}, "seed: expected a whole number"),
        ({"seed": True}, "seed: expected a whole number"),
        ({"steps": 1.5}, "steps: expected a whole number"),
        ({"seconds": -1}, "seconds: expected a number from 0 on"),
        ({"seconds": 10**400}, "seconds: expected a number from 0 on"),
        ({"kind": "oracle"}, "kind: expected method or reference"),
        ({"verdict": "good"}, "verdict: expected a verdict"),
        ({"reasons": [1]}, "reasons: expected a list of texts"),
        ({"audit_errors": "none"}, "audit_errors: expected a list of texts"),
        ({"beside": {"oracle": 1}}, "beside.oracle: expected an object"),
        ({"values": [RATE]}, "values: expected an object"),
        ({"values": {"forget": 0.9}}, "values.forget: expected an object"),
        ({"values": {"forget": {**RATE, "rate": "1"}}}, "values.forget.rate: expected a number"),
        ({"values": {"forget": {**RATE, "low": 0.99}}}, "values.forget: expected low below high"),
    ],
)
def test_a_malformed_row_is_refused_by_its_place(changes: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"rows\[1\].{told}"):
        load(write(tmp_path, [raw(), raw(**changes)]))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": 1, "rows": [], "note": NaN}', "[" * 10**5]
)
def test_what_is_no_benchmark_is_refused_in_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(text)
    with pytest.raises(UserError, match="bench.json"):
        load(tmp_path / "bench.json")
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path / "none.json")


# Groups


@given(st.lists(st.tuples(SHARES, st.integers(0, 500)), min_size=2, max_size=8))
def test_a_mean_lies_between_the_lowest_and_the_highest_and_n_is_pooled(
    found: list[tuple[float, int]],
) -> None:
    rows = [made(seed=i, values={"forget": {"rate": r, "n": n}}) for i, (r, n) in enumerate(found)]
    (one,) = group(rows)
    cell = one.cell("forget")
    assert (
        cell.low == min(r for r, _ in found) <= cell.mean <= cell.high == max(r for r, _ in found)
    )
    assert (cell.n, cell.runs) == (sum(n for _, n in found), len(found))
    assert group(rows[::-1])[0].cell("forget").mean == pytest.approx(cell.mean)


ROWS = st.lists(
    st.builds(
        made,
        method=st.sampled_from(["npo", "ga"]),
        scope=st.sampled_from(["encoder", "decoder"]),
        task=st.sampled_from(["dog", "guitar"]),
        seed=st.integers(0, 2),
        budget=st.sampled_from(["own", "equal"]),
        values=st.builds(measured, forget=st.none() | SHARES, probe=st.none() | SHARES),
    ),
    max_size=12,
)


@given(ROWS)
def test_every_row_is_in_one_group_and_coarser_groups_are_made_of_finer_ones(
    rows: list[Row],
) -> None:
    by = {over: group(rows, over) for over in ("runs", "seeds", "tasks")}
    for groups in by.values():
        assert sorted(id(r) for g in groups for r in g.rows) == sorted(map(id, rows))
        assert len({g.id for g in groups}) == len(groups)
    for fine, coarse in (("runs", "seeds"), ("seeds", "tasks")):
        whole = [{id(r) for r in g.rows} for g in by[coarse]]
        assert all(any({id(r) for r in g.rows} <= w for w in whole) for g in by[fine])


@given(ROWS, st.sampled_from(["forget", "probe", "seconds"]), st.booleans())
def test_sorting_puts_the_best_first_and_the_missing_last(
    rows: list[Row], key: str, best_first: bool
) -> None:
    groups = sort(group(rows), key, best_first)
    means = [g.cell(key).mean for g in groups]
    there = [m for m in means if m is not None]
    falling = (BY_KEY[key].direction == "higher") == best_first
    assert there == sorted(there, reverse=falling)
    assert means == there + [None] * (len(means) - len(there))
    assert sorted(g.id for g in groups) == sorted(g.id for g in group(rows))


def test_tasks_count_alike_however_many_seeds_they_have() -> None:
    things = [made(seed=i, values=measured(forget=0.9)) for i in range(3)]
    (one,) = group([*things, made(task="guitar", values=measured(forget=0.5))], "tasks")
    assert one.cell("forget").mean == pytest.approx(0.7) and one.cell("forget").runs == 4


def test_one_run_has_its_interval_and_several_their_extremes() -> None:
    one, other = made(), made(seed=1, values=measured(forget=0.7))
    assert group([one])[0].cell("forget").low == 0.8
    assert group([one, other])[0].cell("forget").low == 0.7


def test_other_requests_and_a_visitors_own_settings_are_not_mixed_with_others() -> None:
    mine = [row_from(raw(steps=s), mine=True) for s in (2, 60)]
    others = made(request="polite"), made(source="pacs:file")
    assert len(group([made(), made(seed=1), *others, *mine], "tasks")) == 5
    asked = [made(steps=s, seed=s, budget="set") for s in (2, 2, 60)]
    assert len(group([made(), *asked], "tasks")) == 3, "other numbers of steps are no other seeds"


def test_naming_beyond_false_naming_may_lie_below_nought() -> None:
    row = made(values={"relearned": {"rate": -0.02, "n": 8, "low": -0.43, "high": 1.2}})
    assert "-2.0 % (-43.0 to 120.0)" in markdown(group([row]))
    with pytest.raises(ValueError, match="rate: expected a number from -1 on, got -2"):
        made(values={"relearned": {"rate": -2, "n": 8, "low": -3, "high": 1}})


def test_what_is_beside_a_row_is_read_and_averaged() -> None:
    beside = {"oracle": measured(probe=0.5, nf4=None), "base": {}}
    (both,) = group([made(beside=beside), made(seed=1, beside={"oracle": measured(probe=0.7)})])
    assert both.cell("probe", "oracle").mean == pytest.approx(0.6)
    assert both.cell("probe").mean is None and both.cell("probe", "base").mean is None


def test_a_failed_run_is_told_of_and_not_counted() -> None:
    broken = made(seed=1, error="ran | out\nof memory", values=measured(forget=0.0), verdict=None)
    (both,), (alone,) = group([made(), broken]), group([broken])
    assert (both.cell("forget").mean, both.cell("forget").runs) == (0.9, 1)
    assert both.failed.startswith("1 of 2 runs failed") and alone.failed == broken.error
    assert "ran \\| out of memory" in markdown([alone]) and "0.0 %" not in markdown([alone])


def test_verdicts_are_counted_where_they_differ() -> None:
    (one,) = group([made(seed=i) for i in range(2)])
    (mixed,) = group([made(), made(seed=1), made(seed=2, verdict="clear")])
    assert one.verdicts == {"leak": "leak"}
    assert mixed.verdicts == {"leak": "2 leak", "clear": "1 clear"}


def test_references_stay_when_methods_are_filtered() -> None:
    rows = [
        made(),
        made(method="ga"),
        made(scope="encoder"),
        made(budget="equal"),
        made(task="dog"),
        row_from(reference("oracle")),
    ]
    keep = lambda **f: [r.method for r in filter(Filter(**f).keeps, rows)]  # noqa: E731
    assert keep() == [r.method for r in rows]
    assert keep(methods=("ga",)) == ["ga", "oracle"]
    assert keep(scopes=("encoder",), budgets=("own",)) == ["npo", "oracle"]
    assert keep(tasks=("dog",)) == ["npo"]
    assert choices(rows, lambda r: r.method) == ["npo", "ga"]
    assert keep(requests=("polite",)) == [] and keep(sources=("pacs:a.parquet",)) == []
    assert keep(sources=("world",)) == keep()


# Writing


@pytest.mark.parametrize("values", [{}, None, {"forget": None}, {"forget": {"rate": None, "n": 0}}])
def test_what_was_not_measured_is_a_dash_and_never_nought(values: dict | None) -> None:
    (one,) = group([made(values=values, seconds=None, peak_mb=None)])
    cell = one.cell("forget")
    assert (cell.mean, cell.n, cell.runs) == (None, 0, 0)
    assert all(c.text(one.cell(c.key).mean) == MISSING for c in COLUMNS)
    (line,) = csv.DictReader(io.StringIO(csv_text(one.rows)))
    assert line["forget"] == line["forget_n"] == line["seconds"] == ""


def test_markdown_has_arrows_and_leaves_out_what_nobody_measured() -> None:
    rows = [made(label="A | B"), row_from(reference("oracle", values=measured(probe=0.5)))]
    head, rule, first, second = markdown(group(rows)).splitlines()
    assert "Forgotten ↑" in head and "Probe ↓" in head and "Hallucinated" not in head
    assert "A \\| B" in first and "90.0 % (80.0 to 95.0)" in first and "33 s" in first
    assert "50.0 %" in second and f"| {MISSING} |" in second
    bars = {line.replace("\\|", "").count("|") for line in (head, rule, first, second)}
    assert len(bars) == 1


@given(ROWS)
def test_csv_comes_back_as_it_was(rows: list[Row]) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_text(rows))))
    assert [(x["method"], x["task"], int(x["seed"])) for x in lines] == [
        (r.method, r.task, r.seed) for r in rows
    ]
    for x, row in zip(lines, rows):
        found = row.value("forget")
        assert x["forget"] == ("" if found is None else str(found.rate))
        assert x["command"] == row.command


def test_columns_say_what_they_mean() -> None:
    keys = [c.key for c in COLUMNS]
    assert len(set(keys)) == len(keys) and len({c.label for c in COLUMNS}) == len(keys)
    assert all(c.meaning and c.title.endswith(ARROWS[c.direction]) for c in COLUMNS)
    assert BY_KEY["relearn_steps"].text(12.0) == "12" and BY_KEY["peak_mb"].text(1812) == "1,812 MB"


def test_an_empty_benchmark_is_written_and_read(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(json_text(Bench()))
    assert load(tmp_path / "bench.json") == Bench() and group(()) == []


@pytest.mark.parametrize(
    ("cell", "written"),
    [("=cmd|x", "'=cmd|x"), ("@SUM(A1)", "'@SUM(A1)"), ("-1+1", "'-1+1"), ("dog", "dog"), (-1, -1)],
)
def test_no_cell_is_a_formula(cell: object, written: object) -> None:
    assert harmless(cell) == written
