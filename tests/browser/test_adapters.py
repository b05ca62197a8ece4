"""The Adapters tab: look, turn the strength, bring one in and find it everywhere, stack two."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from hfru_core.adapters import archive as bundle
from hfru_core.adapters.validate import FILES
from tests.browser.test_app import offered_to_another
from tests.conftest import ROOT

SLOW = 30_000  # a model is loaded on a busy machine
ELEPHANT = ROOT / "assets" / "adapters" / "dog-elephant"


@pytest.fixture
def adapters(page: Page) -> Page:
    page.get_by_role("tab", name="Adapters").click()
    expect(page.locator("#strength-cards").get_by_test_id("unlearned")).to_be_visible(timeout=SLOW)
    return page


def send(page: Page, file: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#adapter-upload").click()
    chooser.value.set_files(file)


def expect_offered(page: Page, tab: str, dropdown: str, label: str) -> None:
    """A tab's dropdown has this to choose from, soon after the tab was opened."""
    page.get_by_role("tab", name=tab, exact=True).click()
    option = page.get_by_role("option", name=label, exact=True)
    for _ in range(20):
        page.locator(f"#{dropdown} input").click()
        if option.count():
            break
        page.keyboard.press("Escape")
        page.wait_for_timeout(500)
    expect(option).to_be_visible()
    page.keyboard.press("Escape")


def test_an_adapter_shows_its_record_and_answers_at_every_strength(
    adapters: Page, outside: list[str]
) -> None:
    facts, cards = adapters.locator("#adapter-facts"), adapters.locator("#strength-cards")
    expect(facts).to_contain_text("hfru-studio/bundled")
    expect(facts.locator(".chip")).to_contain_text("deep")
    expect(adapters.locator("#adapter-rates table.rates")).to_contain_text("Forgotten")
    assert "dog" not in cards.get_by_test_id("unlearned").inner_text()
    field = adapters.locator("#strength input[type=number]")
    field.fill("0")
    field.press("Tab")
    expect(cards).to_contain_text("same answer as the original", timeout=SLOW)
    adapters.get_by_role("button", name="Hugging Face Hub").click()
    expect(adapters.locator("#hub-private input")).to_be_checked()
    assert adapters.locator("#hub-token input").get_attribute("type") == "password"
    assert not outside


def test_an_upload_is_offered_in_every_tab_and_to_nobody_else(
    adapters: Page, browser: Browser, address: str, tmp_path: Path
) -> None:
    send(adapters, bundle.pack(ELEPHANT, tmp_path / "mine.zip"))
    mine = adapters.locator("#adapter-list label", has_text="(yours)")
    expect(mine).to_have_text("Without dog, elephant (yours)", timeout=SLOW)
    expect(adapters.locator("#adapter-facts header")).to_contain_text("dog, elephant", timeout=SLOW)
    with adapters.expect_download() as download:
        adapters.locator("#adapter-download").click()
    assert zipfile.ZipFile(download.value.path()).namelist() == [f"mine/{f}" for f in FILES]
    expect_offered(adapters, "Audit", "audit-adapter", "Without dog, elephant (yours)")
    expect_offered(adapters, "Compare", "adapter", "Without dog, elephant (yours)")
    assert "(yours)" not in offered_to_another(browser, address)


def test_a_zip_that_is_none_is_refused_in_words(adapters: Page, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../evil.json", "x")
    send(adapters, tmp_path / "evil.zip")
    expect(adapters.locator(".toast-body")).to_contain_text("'../evil.json': not taken")
    expect(adapters.locator("#adapter-list label", has_text="(yours)")).to_have_count(0)


def test_two_are_stacked_and_compared(adapters: Page) -> None:
    adapters.get_by_role("button", name="Combine several").click()
    for name in ("Without dog", "Without Tobin"):
        adapters.locator("#stack-list label", has_text=name).first.click()
    adapters.locator("#stack").click()
    name = "Without dog, Tobin Harrick, Ilsa Torvane, Dario Fent (sum of 2) (yours)"
    expect(adapters.locator("#adapter-list label", has_text="(yours)")).to_have_text(
        name, timeout=SLOW
    )
    expect(adapters.locator("#adapter-rates")).to_contain_text("Not measured", timeout=SLOW)
    adapters.locator("#adapter-compare").click()
    expect(adapters.locator("#adapter input")).to_have_value(name, timeout=SLOW)
    expect(adapters.locator("#cards .card.unlearned")).to_contain_text("has forgotten: dog, Tobin")


@pytest.mark.parametrize("button", ["#hub-push", "#hub-pull"])
def test_the_token_is_emptied_after_a_refusal(adapters: Page, button: str) -> None:
    adapters.get_by_text("Hugging Face Hub").click()
    field = adapters.locator("#hub-token input")
    field.fill("hf_fake")
    adapters.locator("#hub-repo textarea, #hub-repo input").first.fill("not a repository")
    adapters.locator(button).click()
    expect(field).to_have_value("", timeout=SLOW)
    adapters.locator(".toast-body.error, .toast-wrap").first.wait_for()
    expect(field).to_have_value("")


def test_everything_of_mine_is_deleted_on_the_second_press(
    adapters: Page, tmp_path: Path, data_folder: Path
) -> None:
    adapters.locator("#delete-all-sure").wait_for(state="hidden")
    send(adapters, bundle.pack(ELEPHANT, tmp_path / "bye.zip"))
    expect(adapters.locator("#adapter-list")).to_contain_text("(yours)", timeout=SLOW)
    assert list(data_folder.glob("sessions/*/runs/bye"))
    token = adapters.evaluate("localStorage.getItem('hfru-visitor')")
    adapters.locator("#delete-link").click()
    adapters.locator("#delete-all").click()
    assert list(data_folder.glob("sessions/*/runs/bye"))
    with adapters.expect_navigation():
        adapters.locator("#delete-all-sure").click()
    adapters.get_by_test_id("unlearned").wait_for()
    assert not list(data_folder.glob("sessions/*/runs/bye"))
    assert adapters.evaluate("localStorage.getItem('hfru-visitor')") != token
