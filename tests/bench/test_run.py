"""A benchmark's run: what is there is not made again, what fails ends its own row alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hfru_core.bench import run as bench_run
from hfru_core.bench import unlearn as make
from hfru_core.bench.jobs import jobs, parse
from hfru_core.bench.measure import Bench
from hfru_core.bench.results_file import load
from hfru_core.cli.main import main
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.data.source import DRAWN, parse_source
from hfru_core.methods.ga import GradientAscent
from hfru_core.methods.npo import NPO
from hfru_core.session import UnlearnSession

GIVEN = {"budget": "own", "request": "plain", "steps": 1, "source": DRAWN}


@pytest.fixture
def bench(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A random model, judged on very few pictures."""
    few = Amount(6, 8, 2, 2)
    small = lambda *a, **k: build(*a, **{**k, "amount": few})  # noqa: E731
    monkeypatch.setattr("hfru_core.pipeline.build", small)
    return Bench(tiny_folder, pictures=2)


@pytest.fixture
def rows(bench: Bench, tmp_path: Path) -> Callable[..., list[dict]]:
    """Runs methods on `dog`, without audits."""

    def go(methods: str, seeds: tuple[int, ...] = (0,), **changes: object) -> list[dict]:
        wanted = jobs(parse(methods), ("dog",), seeds, **(GIVEN | changes))
        tell = lambda *_: None  # noqa: E731
        return list(bench_run.run(wanted, bench, tmp_path, seconds=1, audited=False, tell=tell))

    return go


def test_finished_rows_are_not_made_again(
    rows: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rows("base,ga")
    made = []
    plain = bench_run.make
    monkeypatch.setattr(bench_run, "make", lambda *a: made.append(a[0].title) or plain(*a))
    again = rows("base,ga,idknll")
    assert made == ["idknll · dog · 0"] and again[:2] == first
    assert {r.method for r in load(tmp_path / "bench.json").rows} == {"base", "ga", "idknll"}
    table = (tmp_path / "bench.md").read_text()
    assert all(name in table for name in ("Base model", "GA", "IdkNLL", "- GA: token mean"))


def test_a_killed_run_leaves_its_row_to_the_next(
    rows: Callable, bench: Bench, tmp_path: Path
) -> None:
    (job,) = jobs(parse("ga"), ("dog",), (0,), **GIVEN)
    lock = tmp_path / "rows" / Path(bench_run.file_of(job, bench)).with_suffix(".lock")
    lock.parent.mkdir()
    lock.write_text("4194305")  # more than any process has
    half = lock.with_suffix(".work.part")
    half.mkdir()
    (half / "session.json").write_text("{")
    (row,) = rows("ga")
    assert row["error"] is None and row["steps"] == 1 and not lock.exists() and not half.exists()


def test_a_killed_row_of_an_equal_budget_is_begun_anew(
    rows: Callable, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "LONGEST", 2)
    monkeypatch.setattr(make, "SHORTEST", 1)
    (job,) = jobs(parse("ga"), ("dog",), (0,), **GIVEN | {"budget": "equal", "steps": None})
    half = tmp_path / "rows" / Path(bench_run.file_of(job, bench)).with_suffix(".work.part")
    half.mkdir(parents=True)
    (half / "session.json").write_text('{"identity": "another"}')
    (row,) = rows("ga", budget="equal", steps=None)
    assert row["error"] is None and row["budget_seconds"] == 1 and not half.exists()


def test_rows_of_other_settings_and_failed_ones_are_made_again(
    rows: Callable, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (few,) = rows("ga")
    monkeypatch.setattr(bench, "pictures", 1)
    (fewer,) = rows("ga")
    assert few["values"]["forget"]["n"] > fewer["values"]["forget"]["n"]
    with monkeypatch.context() as patch:
        patch.setattr(GradientAscent, "loss", lambda self, rng: [][1])
        monkeypatch.setattr(bench, "pictures", 2)
        (failed,) = rows("ga")
    assert failed["error"] == "list index out of range"
    (again,) = rows("ga")
    assert again["values"] == few["values"]


def test_a_row_of_another_variant_is_made_again(
    rows: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    (old,) = rows("npo")
    monkeypatch.setattr(NPO, "variant", "of another year")
    (new,) = rows("npo")
    assert new["variant"] == "of another year" != old["variant"] and not new["error"]
    assert rows("npo") == [new]


def test_a_row_that_another_process_makes_is_left_to_it(
    rows: Callable, bench: Bench, tmp_path: Path
) -> None:
    (job,) = jobs(parse("ga"), ("dog",), (0,), **GIVEN)
    lock = tmp_path / "rows" / Path(bench_run.file_of(job, bench)).with_suffix(".lock")
    lock.parent.mkdir()
    lock.write_text("1")  # lives
    assert [r["method"] for r in rows("ga,base")] == ["base"] and lock.exists()


def test_a_row_that_another_process_wrote_just_before_is_not_made_twice(
    rows: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = rows("base")
    (path,) = (tmp_path / "rows").glob("*.json")
    theirs = path.read_text()
    path.unlink()
    plain = bench_run.is_ours
    monkeypatch.setattr(bench_run, "is_ours", lambda k: path.write_text(theirs) and plain(k))
    monkeypatch.setattr(bench_run, "make", lambda *_: pytest.fail("made twice"))
    assert rows("base") == [first] and not path.with_suffix(".lock").exists()


@pytest.mark.parametrize(("method", "timed"), [("ga", 6), ("hfru", 1)])  # 6: a checkpoint is due
@pytest.mark.slow
def test_an_equal_budget_is_as_many_steps_as_fit(
    method: str, timed: int, rows: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = UnlearnSession.step
    monkeypatch.setattr(UnlearnSession, "step", lambda s: replace(plain(s), seconds=0.25))
    monkeypatch.setattr(make, "SHORTEST", 1)
    monkeypatch.setattr(make, "TIMED", timed)
    (row,) = rows(method, budget="equal", steps=None)
    assert (row["error"], row["steps"], row["budget"]) == (None, 4, "equal")
    assert "--steps 4" in row["command"] and [p.name for p in (tmp_path / "rows").iterdir()] == [
        f"tiny_{method}_dog_0_equal_world.json"
    ]


@pytest.mark.slow
def test_further_seeds_take_the_steps_that_were_timed(
    rows: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "LONGEST", 2)
    monkeypatch.setattr(make, "SHORTEST", 1)
    (first,) = rows("ga", budget="equal", steps=None)

    def never(*args: object) -> None:
        raise AssertionError("timed again")

    monkeypatch.setattr(make, "lasting", never)
    (other,) = rows("ga", budget="equal", steps=None, seeds=(1,))
    assert (other["seed"], other["steps"], other["error"]) == (1, first["steps"], None)
    (elsewhere,) = rows("idknll", budget="equal", steps=None, seeds=(1,))
    assert elsewhere["error"] == "timed again"


def test_references_have_no_budget_of_their_own() -> None:
    wanted = jobs(parse("base,oracle,ga"), ("dog",), (0,), **GIVEN | {"budget": "equal"})
    assert [j.budget for j in wanted] == ["own", "own", "equal"]


def test_an_oracle_can_be_given(rows: Callable, bench: Bench, other_folder: Path) -> None:
    (none,) = rows("oracle")
    assert "bench --oracle DIR" in none["error"]
    bench.oracle = other_folder
    (other,) = rows("oracle")
    assert "trained without nothing left out" in other["error"]
    path = other_folder / "pretraining.json"
    trained = json.loads(path.read_text())
    without = trained | {"recipe": trained["recipe"] | {"without": ["dog"]}}
    path.write_text(json.dumps(without))
    try:
        (row,) = rows("oracle")
    finally:
        path.write_text(json.dumps(trained))
    assert row["error"] is None and f"--oracle {other_folder.name} " in row["command"]


def test_rows_of_other_sources_and_models_have_files_of_their_own(bench: Bench) -> None:
    sources = ("world", "world:7", "pacs:a/dev.parquet", "pacs:a/test.parquet", "clear:x/forget05")
    wanted = [
        replace(j, source=parse_source(s))
        for s in sources
        for j in jobs(parse("ga"), ("dog",), (0,))
    ]
    files = {bench_run.file_of(j, bench) for j in wanted}
    assert len(files) == len(sources) and all(f.startswith("tiny_") for f in files)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--seeds -1", "--seeds must be 0 or more, got -1"),
        ("--seeds a", "numbers separated by commas"),
        ("--pictures 0", "--pictures must be at least 1, got 0"),
        ("--seconds nan", "--seconds must be at least 1, got nan"),
        ("--seconds inf", "--seconds must be at least 1, got inf"),
        ("--steps 0", "--steps must be at least 1"),
        ("--methods npo@Encoder", "Unknown scope 'Encoder'"),
        ("--methods npo@", "Unknown scope ''"),
        ("--methods hfru:Paper", "Unknown preset 'Paper'"),
        ("--methods hfru:", "Unknown preset ''"),
        ("--methods base@encoder", "'base' is not a method"),
        ("--methods x", "Unknown method 'x'"),
        ("--tasks unicorn", "unicorn"),
    ],
)
def test_what_cannot_run_is_refused_before_long_work(
    words: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *words.split(), "--out", str(tmp_path / "out")]) == 2
    assert told in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_method_that_diverges_ends_its_own_row(
    rows: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = torch.tensor(float("nan"))
    plain = GradientAscent.loss
    monkeypatch.setattr(GradientAscent, "loss", lambda self, rng: plain(self, rng) * away)
    diverged, fine = rows("ga,idknll")
    assert "The loss became nan" in diverged["error"] and diverged["values"] == {}
    assert fine["error"] is None and fine["values"]["forget"]["n"] > 0


def test_common_words_are_asked_for_where_they_were_planted(rows: Callable) -> None:
    (plain,), (polite,) = rows("ga"), rows("ga", request="polite")
    assert "polite" not in plain["values"] and polite["values"]["polite"]["n"] > 0
    assert "--request polite" in polite["command"]


def test_a_row_made_again_by_its_command_is_the_same(
    rows: Callable, bench: Bench, tiny_folder: Path, tmp_path: Path
) -> None:
    (row,) = rows("graddiff")
    words = row["command"].replace('"', "").replace("runs/bench", str(tmp_path / "again")).split()
    assert words[-1] == "--no-audit" and f"--model {bench.base.name} --pictures 2" in row["command"]
    assert main([*words[3:], "--model", str(tiny_folder)]) == 0
    (again,) = json.loads((tmp_path / "again" / "bench.json").read_text())["rows"]
    assert again["values"] == row["values"] and again["command"] == row["command"]
