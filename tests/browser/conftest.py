"""A browser and the app; without a browser these tests are skipped."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from hfru_core.data.samples import Amount

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from playwright.sync_api import Browser, Error, Page  # noqa: E402

from hfru_core.studio.app import build_app, launch  # noqa: E402
from hfru_core.studio.server import first_page  # noqa: E402
from hfru_core.studio.sessions import pages  # noqa: E402

SHOTS = Path(__file__).with_name("shots")
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    "--disable-extensions",
]
READY = {  # what a tab shows once it is filled
    "compare": "#set table.set", "unlearn": "#status .empty", "adapters": "#adapter-rates table",
    "audit": "#audit-plot .scatterlayer", "benchmark": "#bench-plot .scatterlayer",
    "about": ".drawing svg",
}  # fmt: skip
TRAIN = Amount(forget_train=4, retain_train=6, forget_eval=3, retain_eval=4)
JUDGE = Amount(0, 0, 2, 2)
SMALL = {
    "batch": 4, "retain_batch": 4, "grpo_prompts": 4, "group": 2, "max_new_tokens": 6,
    "lora_rank": 2,
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Keep what every browser test ended with, passed or failed."""
    try:
        return (yield)
    finally:
        if browser := getattr(item, "funcargs", {}).get("browser"):
            keep_shots(browser, re.sub(r"[^\w-]+", "-", item.name))


def keep_shots(browser: Browser, name: str) -> None:
    """A picture of each page that is open, in `tests/browser/shots`."""
    SHOTS.mkdir(exist_ok=True)
    for number, page in enumerate(p for c in browser.contexts for p in c.pages):
        try:
            page.screenshot(path=SHOTS / f"{name}-{number}.png", timeout=5000)
        except Error:
            continue  # a page that is gone, or was made to hang


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app-data")


@pytest.fixture(scope="session")
def address(data_folder: Path) -> Iterator[str]:
    """The app with the bundled model and adapters, on loopback; its sessions are small."""
    with pytest.MonkeyPatch.context() as patch:  # Answers are there once the app can give them.
        patch.setattr(first_page, "ASSETS", data_folder)
        patch.setattr(pages, "GRACE", 10.0)  # what a test leaves shall not slow down the next
        page = build_app(
            data_folder=data_folder,
            amount=TRAIN,
            checked=JUDGE,
            settings=SMALL,
        )
        _, url, _ = launch(page, "127.0.0.1", None, prevent_thread_lock=True, quiet=True)
        yield url
        page.close()


@pytest.fixture(autouse=True)
def uploads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio asks the environment where uploads lie; another app of this process may have changed
    it since."""
    if "address" in request.fixturenames:
        cache = request.getfixturevalue("data_folder") / "cache"
        monkeypatch.setenv("GRADIO_TEMP_DIR", str(cache))


@pytest.fixture
def outside() -> list[str]:
    """The addresses that a page asked for elsewhere."""
    return []


@pytest.fixture
def page(browser: Browser, address: str, outside: list[str]) -> Iterator[Page]:
    """A visitor's page, opened, with both answers there."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.on("request", lambda r: None if local(r.url, address) else outside.append(r.url))
    page.set_default_timeout(20_000)
    page.goto(address)
    page.get_by_test_id("unlearned").wait_for(timeout=60_000)  # a busy machine loads torch long
    yield page
    context.close()


def local(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


# A spinner's animation never ends; a button that is enabled again is half clear for a moment.
SETTLED = """() => Promise.all(document.getAnimations()
    .filter(a => a.effect.getComputedTiming().endTime !== Infinity)
    .map(a => a.finished.catch(() => {})))"""


def barriers(page: Page) -> list[str]:
    """What axe calls a serious barrier, and where, once nothing fades in or out any more."""
    page.evaluate(SETTLED)
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe").Axe()
    return [
        f"{broken['id']}: {[n['target'] for n in broken['nodes']]}"
        for broken in axe.run(page).response["violations"]
        if broken["impact"] in ("serious", "critical")
    ]
