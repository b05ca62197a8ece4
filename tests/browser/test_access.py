"""No serious barrier in any tab, light or dark; a way through by keyboard; the browser's language.

axe finds what a machine can find; that a page is good to use it cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import READY, barriers

SLOW = 30_000  # a busy machine


@pytest.fixture(params=["light", pytest.param("dark", marks=pytest.mark.slow)])
def opened(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(color_scheme=request.param)
    page = context.new_page()
    page.goto(address)
    page.get_by_test_id("unlearned").first.wait_for(timeout=SLOW)
    yield page
    context.close()


def test_axe_finds_no_serious_barrier(opened: Page) -> None:
    found = {}
    for tab, filled in READY.items():
        opened.locator(f"[data-tab-id={tab}]").click()
        expect(opened.locator(filled).first).to_be_visible(timeout=SLOW)
        found[tab] = barriers(opened)
    assert not any(found.values()), found


def test_a_tab_and_an_answer_are_reached_by_keyboard(opened: Page) -> None:
    opened.locator("[data-tab-id=compare]").focus()
    opened.keyboard.press("ArrowRight")
    if not opened.locator("#start").is_visible():  # tabs that want the choice confirmed
        opened.locator("[data-tab-id=unlearn]").focus()
        opened.keyboard.press("Enter")
    expect(opened.locator("#start")).to_be_visible(timeout=SLOW)
    opened.locator("[data-tab-id=compare]").click()
    opened.locator("#question textarea").focus()
    opened.keyboard.press("Control+A")
    opened.keyboard.type("What colour is it?")
    opened.keyboard.press("Enter")
    expect(opened.locator("#cards .asked")).to_contain_text("colour", timeout=SLOW)


def test_a_chinese_browser_sees_chinese(browser: Browser, address: str) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_role("tab")).to_have_text(
        ["对比", "遗忘", "审计", "适配器", "基准", "关于"], timeout=SLOW
    )
    expect(page.locator(".hero")).to_contain_text("视觉编码器")
    page.get_by_role("tab", name="遗忘").click()
    expect(page.locator("#start")).to_have_text("开始")
    expect(page.locator("#status")).to_contain_text("尚未遗忘任何内容")
    assert "__i18n__" not in page.locator("body").inner_text()
    page.get_by_role("tab", name="对比").click()
    expect(page.locator(READY["compare"])).to_be_visible(timeout=SLOW)  # it fills in a question
    page.locator("#question textarea").fill(" ")
    page.locator("#question textarea").press("Enter")  # the server refuses
    expect(page.locator(".toast-body").first).to_contain_text("请输入问题", timeout=SLOW)
    expect(page.locator("#cards .original header b")).to_have_text("原模型")
    expect(page.locator("#set th").last).to_have_text("遗忘后", timeout=SLOW)
    context.close()


def test_what_a_model_says_is_not_translated(browser: Browser, address: str) -> None:
    """And in a browser that reads something else nothing is."""
    seen = {}
    for locale in ("zh-CN", "en-GB"):
        context = browser.new_context(locale=locale)
        page = context.new_page()
        page.goto(address)
        page.get_by_test_id("unlearned").first.wait_for(timeout=SLOW)
        page.evaluate(
            "document.querySelector('.said').textContent = 'to forget';"
            "document.querySelector('.card header span').textContent = 'to forget'"
        )
        page.wait_for_timeout(100)
        seen[locale] = [
            page.locator(".said").first.inner_text(),
            page.locator(".card header span").first.inner_text(),
        ]
        context.close()
    assert seen == {"zh-CN": ["to forget", "要遗忘"], "en-GB": ["to forget", "to forget"]}
