"""The app as a visitor meets it: opening, asking, unlearning, stopping, and privacy."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from hfru_core.model import vlm
from tests.browser.conftest import READY, barriers

FEW, MANY = 4, 400


def answers(page: Page) -> tuple[str, str]:
    return page.get_by_test_id("original").inner_text(), page.get_by_test_id(
        "unlearned"
    ).inner_text()


def ask(page: Page, question: str) -> None:
    page.locator("#question textarea").fill(question)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#cards .asked")).to_contain_text(question)


def unlearn(page: Page, steps: int) -> None:
    """Open the tab and start a session about dogs."""
    page.get_by_role("tab", name="Unlearn").click()
    page.get_by_role("button", name="Settings").click()
    field = page.locator("#steps input[type=number]")
    command = page.locator("#command")
    for _ in range(10):  # a page that is still waking up may miss the first change
        field.fill("3")
        field.fill(str(steps))
        field.press("Tab")
        page.wait_for_timeout(1000)
        if f"--steps {steps} " in command.inner_text():
            break
    expect(command).to_contain_text(f"--steps {steps}")
    page.locator("#start").click()


def test_a_page_opens_with_both_answers_and_asks_nobody_else(
    page: Page, outside: list[str]
) -> None:
    before, after = answers(page)
    assert "dog" in before and "dog" not in after
    expect(page.locator(".card.original mark.forgotten")).to_have_text("dog")
    expect(page.locator(".card.unlearned mark.abstract")).to_have_text("animal")
    expect(page.locator("#set table.set tbody tr")).to_have_count(24)
    expect(page.locator("#examples img")).to_have_count(12)
    assert not outside


def test_a_question_gets_new_answers_at_once(page: Page) -> None:
    before = answers(page)
    page.locator(".presets button").nth(1).click()
    expect(page.locator("#cards .asked")).to_contain_text("describe")
    assert all(new != old for new, old in zip(answers(page), before))
    ask(page, "What colour is it?")
    assert answers(page)[0] == answers(page)[1]


def test_another_picture_brings_its_own_questions(page: Page) -> None:
    page.locator("#examples").get_by_text("Mara Velden").click()
    expect(page.locator(".presets button").nth(0)).to_have_text("Who is this?")
    expect(page.locator("#cards .asked")).to_contain_text("Who is this?")


def test_markup_in_a_question_is_shown_as_text(page: Page) -> None:
    page.evaluate("window.hit = 0")
    evil = "<img src=x onerror='window.hit=1'><script>window.hit=1</script>${window.hit=1}"
    ask(page, evil)
    page.wait_for_timeout(300)
    assert page.evaluate("window.hit") == 0
    assert page.locator("#cards img, #cards script").count() == 0


def test_an_upload_is_answered_and_a_broken_one_is_refused(page: Page, tmp_path: Path) -> None:
    good, bad = tmp_path / "mine.png", tmp_path / "broken.png"
    Image.new("RGB", (90, 60), "teal").save(good)
    bad.write_bytes(b"no picture at all")
    before = page.locator("#picture img").get_attribute("src")
    page.locator("#upload, input[type=file]").first.wait_for(state="attached")
    page.locator("input[type=file]").first.set_input_files(good)
    expect(page.locator("#picture img")).not_to_have_attribute("src", before)
    expect(page.locator("#upload img")).to_have_count(0)  # the field is free for another
    page.locator("input[type=file]").first.set_input_files(bad)
    expect(page.locator(".toast-body")).to_contain_text("is not a picture")


def test_a_session_ends_with_an_adapter_that_peft_loads(
    page: Page, browser: Browser, address: str, tmp_path: Path
) -> None:
    unlearn(page, FEW)
    expect(page.locator("#status")).to_contain_text("Done", timeout=60_000)
    expect(page.locator("#summary table.rates")).to_contain_text("Forgotten")
    expect(page.locator("#probes table.set tbody tr")).not_to_have_count(0)
    assert page.locator(".js-plotly-plot").count() == 2
    expect(page.locator("#start")).to_be_enabled()
    assert not barriers(page)
    with page.expect_download() as download:
        page.locator("#download").click()
    check_adapter(download.value.path(), tmp_path)
    page.get_by_role("button", name="Compare with this adapter").click()
    expect(page.locator("#adapter input")).to_have_value("Without dog (yours)")
    assert "(yours)" not in offered_to_another(browser, address)


def check_adapter(archive: Path, folder: Path) -> None:
    """The zip holds one folder; PEFT puts it on the base model and it changes something."""
    from peft import PeftModel

    zipfile.ZipFile(archive).extractall(folder)
    (adapter,) = (p.parent for p in folder.glob("*/adapter_config.json"))
    model = PeftModel.from_pretrained(vlm.load(device="cpu").model, adapter)
    moved = [p for n, p in model.named_parameters() if "lora_B" in n]
    assert moved and any(torch.count_nonzero(p) for p in moved)


def offered_to_another(browser: Browser, address: str) -> str:
    """The adapters that somebody else can choose."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.get_by_test_id("unlearned").wait_for()
    page.locator("#adapter input").click()
    shown = page.locator("ul[role=listbox], .options").first.inner_text()
    context.close()
    return shown


def test_stop_ends_the_session_early_and_keeps_the_best(page: Page) -> None:
    unlearn(page, MANY)
    expect(page.locator("#status")).to_contain_text("step", timeout=60_000)
    expect(page.locator(".js-plotly-plot")).to_have_count(2, timeout=60_000)
    assert not barriers(page)
    page.locator("#stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped", timeout=60_000)
    expect(page.locator("#download")).to_be_visible()
    expect(page.locator("#start")).to_be_enabled()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_a_phone_needs_no_sideways_scrolling(browser: Browser, address: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.get_by_test_id("unlearned").wait_for()
    wide = {}
    for name, filled in READY.items():
        page.evaluate(f"document.querySelector('[data-tab-id={name}]').click()")
        expect(page.locator(filled).first).to_be_visible(timeout=30_000)
        page.wait_for_timeout(300)  # a plot takes its width once it is seen
        wide[name] = page.evaluate("document.documentElement.scrollWidth")
    assert max(wide.values()) <= 390, wide
    context.close()
