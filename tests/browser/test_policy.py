"""The page's policy in a browser: nothing that the page needs is blocked, another origin is."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import READY

TABS = ("compare", "unlearn", "audit", "adapters", "benchmark", "about")


def test_the_policy_blocks_nothing_that_the_page_needs(page: Page) -> None:
    told: list[str] = []
    page.on("console", lambda said: told.append(said.text))
    page.reload()
    for number, shown in enumerate(TABS):
        page.get_by_role("tab").nth(number).click()
        expect(page.locator(READY[shown]).first).to_be_visible(timeout=30_000)
    assert not [t for t in told if "Content Security Policy" in t or "Refused to" in t]


def test_the_policy_lets_nothing_out(page: Page) -> None:
    """A script that got into the page reaches no other server."""
    blocked = page.evaluate("""() => new Promise(done => {
        document.addEventListener('securitypolicyviolation', e => done(e.violatedDirective));
        fetch('http://127.0.0.2:9/').catch(() => 0);
    })""")
    assert blocked == "connect-src"
