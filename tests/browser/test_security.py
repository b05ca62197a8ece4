"""Stored XSS, tried: markup in every text that others write is shown and never run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from hfru_core.adapters import archive as bundle
from hfru_core.adapters.validate import INFO
from hfru_core.model.vlm import VLM
from hfru_core.studio.app import build_app, launch
from tests.browser.conftest import JUDGE, SMALL, TRAIN
from tests.conftest import ROOT

SLOW = 30_000
IMAGE = "<img src=x onerror='window.hit=1'>"
EVIL = f"{IMAGE}<script>window.hit=1</script>"
SHIPPED = ROOT / "assets" / "adapters" / "dog"


@pytest.fixture(scope="module")
def evil_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with a model whose every answer is markup."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VLM, "answer", lambda self, images, questions: [EVIL] * len(questions))
        page = build_app(
            data_folder=tmp_path_factory.mktemp("evil"), amount=TRAIN, checked=JUDGE, settings=SMALL
        )
        _, url, _ = launch(page, "127.0.0.1", None, prevent_thread_lock=True, quiet=True)
        yield url
        page.close()


@pytest.fixture
def evil_page(browser: Browser, evil_address: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(SLOW)
    page.goto(evil_address)
    page.get_by_test_id("unlearned").wait_for()
    page.evaluate("window.hit = window.hit || 0")
    yield page
    context.close()


def nothing_ran(page: Page) -> None:
    page.wait_for_timeout(500)
    assert page.evaluate("window.hit") == 0
    assert page.locator("img[src=x], img[onerror]").count() == 0


def evil_zip(folder: Path) -> Path:
    """A valid adapter whose record says that it forgets markup."""
    source = folder / "evil"
    source.mkdir()
    for file in SHIPPED.iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    info = json.loads((source / INFO).read_text())
    concept = info["concepts"][0]
    concept["name"] = EVIL
    concept["aliases"], concept["abstractions"] = [EVIL, "dog"], ["animal", EVIL + "x"]
    info["data"]["source"] = info["config"]["preset"] = EVIL
    (source / INFO).write_text(json.dumps(info))
    archive = folder / "<img src=x onerror=window.hit=1>.zip"
    bundle.pack(source, archive)
    assert zipfile.is_zipfile(archive)
    return archive


def test_a_models_answer_is_text(evil_page: Page) -> None:
    expect(evil_page.get_by_test_id("original")).to_contain_text("<img src=x", timeout=SLOW)
    expect(evil_page.get_by_test_id("unlearned")).to_contain_text("onerror", timeout=SLOW)
    expect(evil_page.locator("#set table.set tbody tr")).to_have_count(24, timeout=SLOW)
    nothing_ran(evil_page)


def test_names_of_files_and_concepts_are_text(evil_page: Page, tmp_path: Path) -> None:
    """An adapter with a hostile record under a hostile file name, in each place that shows it."""
    page = evil_page
    page.get_by_role("tab", name="Adapters").click()
    page.locator("#adapter-upload, #adapter-upload input").first.wait_for(state="attached")
    page.locator("input[type=file][accept='.zip']").first.set_input_files(evil_zip(tmp_path))
    expect(page.locator("#adapter-list")).to_contain_text("<img src=x", timeout=SLOW)
    expect(page.locator("#adapter-facts")).to_contain_text("<img src=x", timeout=SLOW)
    nothing_ran(page)
    page.locator("#adapter-compare").click()
    expect(page.locator("#adapter input")).to_have_value(f"Without {EVIL} (yours)", timeout=SLOW)
    nothing_ran(page)


def test_a_picture_under_a_hostile_name_is_a_picture(evil_page: Page, tmp_path: Path) -> None:
    good, bad = tmp_path / "<img src=x onerror=window.hit=1>.png", tmp_path / "<svg onload=hit>.png"
    Image.new("RGB", (40, 40), "teal").save(good)
    bad.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='window.hit=1'/>")
    before = evil_page.locator("#picture img").get_attribute("src")
    evil_page.locator("input[type=file]").first.set_input_files(good)
    expect(evil_page.locator("#picture img")).not_to_have_attribute("src", before, timeout=SLOW)
    expect(evil_page.locator("#upload img")).to_have_count(0, timeout=SLOW)
    evil_page.locator("input[type=file]").first.set_input_files(bad)
    expect(evil_page.locator(".toast-body")).to_contain_text("is not a picture", timeout=SLOW)
    nothing_ran(evil_page)


def test_the_name_of_ones_own_concept_is_text(evil_page: Page) -> None:
    page = evil_page
    page.get_by_role("tab", name="Unlearn").click()
    page.get_by_role("button", name="A concept of your own").click()
    page.locator("#own-name input, #own-name textarea").first.fill(IMAGE)
    page.locator("#own-name input, #own-name textarea").first.press("Tab")
    expect(page.locator("#command")).to_contain_text("img src=x", timeout=SLOW)
    page.locator("#start").click()
    nothing_ran(page)
