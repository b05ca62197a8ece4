"""A visitor with two minutes: what leads on, tooltips, About, and the language of the browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

SLOW = 30_000  # a busy machine


def ticked(page: Page) -> list[str]:
    boxes = page.locator("#things label, #people label").filter(has=page.locator("input:checked"))
    return [t.strip() for t in boxes.all_inner_texts()]


@pytest.mark.parametrize(
    ("lead", "wanted"),
    [("things", ["dog", "elephant"]), ("people", ["Tobin Harrick", "Ilsa Torvane", "Dario Fent"])],
)
def test_a_preset_opens_the_unlearn_tab_filled_in(page: Page, lead: str, wanted: list) -> None:
    page.locator(f"#lead-{lead}").click()
    expect(page.locator("#start")).to_be_visible(timeout=SLOW)
    expect(page.locator("#command")).to_contain_text(wanted[-1], timeout=SLOW)
    assert sorted(ticked(page)) == sorted(wanted)


def test_the_preset_for_a_concept_of_ones_own_opens_its_form(page: Page) -> None:
    page.locator("#lead-own").click()
    expect(page.locator("#own-name")).to_be_visible(timeout=SLOW)
    assert ticked(page) == []
    page.locator("#own-name").locator("input, textarea").fill("<b>gnome</b>")
    page.locator("#start").click()
    expect(page.locator(".toast-body")).to_contain_text(
        "pictures of '<b>gnome</b>' are needed", timeout=SLOW
    )


def test_the_numbers_of_the_opening_page_have_tooltips(page: Page) -> None:
    chips = page.locator("#set .tally .chip")
    expect(chips).to_have_count(4, timeout=SLOW)
    assert all("is better" in c.get_attribute("title") for c in chips.all())


def test_about_draws_the_method(page: Page, outside: list[str]) -> None:
    page.get_by_role("tab", name="About").click()
    expect(page.locator(".drawing svg")).to_be_visible(timeout=SLOW)
    expect(page.get_by_role("img", name="A picture goes through")).to_be_visible()
    expect(page.locator(".about")).to_contain_text("2605.08031")
    assert not outside
