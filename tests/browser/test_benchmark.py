"""The Benchmark tab: table, plot, filters, files, and a run that is watched and stopped."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from hfru_core.studio.app import build_app, launch
from hfru_core.studio.sessions.bench_run import Wish
from tests.bench.test_table import measured, raw, reference, write
from tests.studio.test_benchmark import HANGING, say, script

SLOW = 30_000  # a busy machine
ROWS = [
    reference("base", values=measured(forget=0.02, retain=1.0, probe=0.98)),
    reference("oracle", values=measured(forget=0.99, retain=1.0, probe=0.5)),
    raw(values=measured(forget=0.9, retain=0.8, probe=0.7, relearned=0.4, nf4=0.2)),
    raw(seed=1, values=measured(forget=0.8, retain=0.9, hallucination=0.3, abstraction=0.5)),
    raw(method="ga", label="GA", scope="encoder", values=measured(forget=0.95, retain=0.4)),
]
FINISHING = script(
    say(row="me · dog · 0", done=0, of=2, stage="audit"),
    say(finished=raw(method="me", label="ME", values=measured(forget=0.97, retain=0.5))),
    say(row="su · dog · 0", done=1, of=2, stage="unlearn"),
    "time.sleep(60)",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with a benchmark of its own."""
    folder = tmp_path_factory.mktemp("benchmark")
    page = build_app(data_folder=folder / "data", bench=write(folder, ROWS))
    _, url, _ = launch(page, "127.0.0.1", None, prevent_thread_lock=True, quiet=True)
    yield url
    page.close()


@pytest.fixture
def bench(page: Page) -> Page:
    page.get_by_role("tab", name="Benchmark").click()
    expect(page.locator("#bench-board tbody tr")).to_have_count(4, timeout=SLOW)
    return page


def names(page: Page) -> list[str]:
    return page.locator("#bench-board tbody th button").all_inner_texts()


def choose(page: Page, dropdown: str, label: str) -> None:
    page.locator(f"#{dropdown} input").click()
    page.get_by_role("option", name=label, exact=True).click()
    page.keyboard.press("Escape")


def points(page: Page):
    return page.locator("#bench-plot .scatterlayer .points path")


def test_table_and_plot_are_drawn_and_a_header_sorts(bench: Page, outside: list[str]) -> None:
    assert names(bench) == ["Oracle", "GA", "NPO", "Base"]
    expect(points(bench)).to_have_count(4, timeout=SLOW)
    expect(bench.locator("#bench-plot .errorbar").first).to_be_attached()
    expect(bench.locator("#bench-plot")).to_contain_text("Oracle")
    probe = bench.locator("#bench-board thead button", has_text="Probe")
    assert "lower is better" in probe.get_attribute("title")
    probe.click()
    expect(bench.locator('#bench-board th[aria-sort="ascending"]')).to_contain_text("Probe ↓")
    assert names(bench) == ["Oracle", "NPO", "Base", "GA"]
    assert bench.locator("#bench-board td.missing").first.inner_text() == "–"
    assert not outside


def test_a_filter_changes_table_and_plot(bench: Page) -> None:
    choose(bench, "bench-scopes", "encoder")
    expect(bench.locator("#bench-board tbody tr")).to_have_count(3)
    expect(points(bench)).to_have_count(3, timeout=SLOW)
    assert names(bench) == ["Oracle", "GA", "Base"]
    bench.get_by_role("button", name="Leakage and cost").click()
    expect(bench.locator("#bench-plot .xtitle")).to_have_text("Time ↓ (s)")
    expect(bench.locator("#bench-plot")).to_contain_text("1 of 3 rows have no value here")
    expect(bench.locator("#bench-plot .shapelayer path")).to_have_count(2)


def test_a_row_shows_its_command_and_the_files_open(bench: Page, tmp_path: Path) -> None:
    bench.locator("#bench-board tbody tr", has_text="NPO").click()
    expect(bench.locator("#bench-details")).to_contain_text("beta 0.1", timeout=SLOW)
    expect(bench.locator("#bench-command")).to_contain_text("hfru_core bench --methods npo")
    expect(bench.locator("#bench-plot")).to_contain_text("chosen row", timeout=SLOW)
    for end in ("csv", "json"):
        with bench.expect_download() as download:
            bench.locator(f"#bench-{end}").click()
        download.value.save_as(tmp_path / f"bench.{end}")
    lines = list(csv.DictReader((tmp_path / "bench.csv").open(encoding="utf-8")))
    assert [x["method"] for x in lines] == [r["method"] for r in ROWS]
    assert lines[2]["forget"] == "0.9" and lines[2]["hallucination"] == ""
    assert json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))["rows"] == ROWS


def start(page: Page, monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    """Run one method, with a process that stands in."""
    monkeypatch.setattr(Wish, "process", lambda self, out: asked)
    if not page.locator("#bench-start").is_visible():
        page.get_by_role("button", name="Run methods").click()
    if not page.locator("#bench-run-methods").get_by_text("npo", exact=True).count():
        choose(page, "bench-run-methods", "npo")
    page.locator("#bench-start").click()


def test_a_run_brings_its_rows_while_it_goes_on_and_is_stopped_at_once(
    bench: Page, browser: Browser, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(bench, monkeypatch, FINISHING)
    status = bench.locator("#bench-status")
    expect(status).to_contain_text("su · dog · 0: unlearning", timeout=SLOW)
    expect(bench.locator("#bench-board tbody tr.mine")).to_contain_text("ME (yours)")
    bench.locator("#bench-stop").click()
    expect(status).to_contain_text("Stopped", timeout=2_000)
    expect(bench.locator("#bench-start")).to_be_enabled()
    start(bench, monkeypatch, HANGING)  # The queue is free again, and the row is still there.
    expect(status).to_contain_text("npo · dog · 0: unlearning", timeout=5_000)
    expect(bench.locator("#bench-board tbody tr.mine")).to_have_count(1)
    expect(bench.locator("#bench-stop")).to_be_enabled()
    bench.locator("#bench-stop").click()
    expect(status).to_contain_text("Stopped", timeout=2_000)
