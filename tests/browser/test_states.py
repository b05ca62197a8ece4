"""A session's way through the app: reload, stop, and where its adapter is offered afterwards."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_adapters import expect_offered
from tests.browser.test_app import FEW, MANY, unlearn

SLOW = 30_000  # a busy machine


def test_a_reload_finds_its_session_again_and_stops_it(page: Page) -> None:
    unlearn(page, MANY)
    expect(page.locator("#status")).to_contain_text("step", timeout=60_000)
    page.reload()
    page.get_by_test_id("unlearned").first.wait_for(timeout=SLOW)
    page.get_by_role("tab", name="Unlearn").click()
    expect(page.locator("#status")).to_contain_text(f"of {MANY}", timeout=SLOW)
    expect(page.locator("#start")).to_be_disabled()
    page.locator("#stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped", timeout=SLOW)
    expect(page.locator("#start")).to_be_enabled(timeout=SLOW)


@pytest.mark.slow
def test_a_finished_session_is_offered_everywhere_and_again_after_a_reload(page: Page) -> None:
    unlearn(page, FEW)
    expect(page.locator("#status")).to_contain_text("Done", timeout=60_000)
    for tab, dropdown in (("Compare", "adapter"), ("Audit", "audit-adapter")):
        expect_offered(page, tab, dropdown, "Without dog (yours)")
    page.get_by_role("tab", name="Adapters").click()
    expect(page.locator("#adapter-list label", has_text="Without dog (yours)")).to_be_visible(
        timeout=SLOW
    )
    page.reload()
    page.get_by_test_id("unlearned").first.wait_for(timeout=SLOW)
    expect_offered(page, "Unlearn", "past", "Without dog (yours)")
    page.locator("h1").click()  # a list opens when its field gets the focus
    expect(page.get_by_role("option")).to_have_count(0, timeout=SLOW)
    page.locator("#past input").click()
    page.get_by_role("option", name="Without dog (yours)", exact=True).click()
    expect(page.locator("#status")).to_contain_text("Finished: without dog", timeout=SLOW)
    expect(page.locator("#summary table.rates")).to_contain_text("Forgotten", timeout=SLOW)
    expect(page.locator(".js-plotly-plot .scatterlayer:visible").first).to_be_visible(timeout=SLOW)


@pytest.mark.parametrize(
    ("tab", "code", "says"),
    [
        ("Compare", "compare-command", "hfru_core answer picture.png"),
        ("Adapters", "adapter-command", "hfru_core adapter inspect assets/adapters/dog"),
        ("Audit", "audit-command", "-m audit assets/adapters/dog"),
    ],
)
def test_the_command_line_stands_beside_what_is_done(
    page: Page, tab: str, code: str, says: str
) -> None:
    page.get_by_role("tab", name=tab, exact=True).click()
    expect(page.locator(f"#{code}")).to_contain_text(says, timeout=SLOW)
