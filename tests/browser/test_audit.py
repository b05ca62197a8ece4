"""The Audit tab: a finished report with its drawings and files, and an audit that is stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from audit.report.report import headline
from hfru_core.studio.sessions.reports import REPORTS
from tests.browser.conftest import barriers


@pytest.fixture
def audit(page: Page) -> Page:
    page.get_by_role("tab", name="Audit").click()
    expect(page.locator("#audit-banner .verdict")).to_be_visible()
    return page


def record(page: Page) -> dict:
    """The shipped report that is open."""
    shown = page.locator("#audit-banner .verdict b").first.inner_text()
    found = [json.loads(p.read_text()) for p in REPORTS.glob("audit-*/report.json")]
    return next(r for r in found if r["subject"]["adapter"] == shown)


def test_a_shipped_report_is_open_with_its_verdict_and_a_drawing(
    audit: Page, outside: list[str]
) -> None:
    report = record(audit)
    expect(audit.locator("#audit-banner .verdict")).to_have_attribute(
        "data-verdict", report["verdict"]["state"]
    )
    expect(audit.locator("#audit-card .finding")).to_have_count(1)
    audit.locator("#audit-finding input").click()
    audit.get_by_role("option", name="embedding map").click()
    expect(audit.locator("#audit-plot .js-plotly-plot .scatterlayer").first).to_be_visible()
    assert not outside


def test_the_page_of_a_report_opens_alone(audit: Page, tmp_path: Path) -> None:
    with audit.expect_download() as download:
        audit.locator("#audit-html").click()
    file = tmp_path / "report.html"
    download.value.save_as(file)
    asked: list[str] = []
    alone = audit.context.new_page()
    alone.on("request", lambda r: asked.append(r.url))
    alone.goto(file.as_uri())
    expect(alone.locator(".cover .state")).to_have_text(headline(record(audit)["verdict"]["state"]))
    expect(alone.locator("svg.drawing").first).to_be_visible()
    alone.get_by_label("what it says").select_option("leak")
    found = alone.locator("section.finding:visible .says")
    assert set(found.all_inner_texts()) == {"leak"}
    alone.get_by_label("search the findings").fill("no such finding")
    expect(found).to_have_count(0)
    assert not barriers(alone)
    assert all(u.startswith(("file:", "data:")) for u in asked)


def test_an_audit_is_stopped_at_once_and_leaves_nothing(audit: Page, data_folder: Path) -> None:
    audit.locator("#audit-start").click()
    expect(audit.locator("#audit-status")).to_contain_text("Audit:", timeout=60_000)
    audit.locator("#audit-stop").click()
    expect(audit.locator("#audit-status")).to_contain_text("Stopped", timeout=2_000)
    expect(audit.locator("#audit-start")).to_be_enabled()
    assert not list((data_folder / "sessions").rglob("report*"))
