"""What a browser waits for: the first answers after starting the app, and each tab.

python -m tests.measure.paint
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from tests.measure.visitors import started, wait_for

ROUNDS = 4
SLOW = 240_000
FLAGS = ("--no-sandbox", "--disable-gpu")  # There is no GPU to draw with: do not look for one.
# Milliseconds from the click until another panel than before is there and was drawn.
SWITCH = """(name) => new Promise(done => {
  const seen = (e) => e.offsetParent !== null && e.offsetHeight > 0;
  const shown = () => [...document.querySelectorAll('[role=tabpanel]')].filter(seen)[0];
  const before = shown(), began = performance.now();
  [...document.querySelectorAll('[role=tab]')]
    .filter(e => seen(e) && e.innerText.trim() === name).at(-1).click();
  const look = () => shown() && shown() !== before
    ? requestAnimationFrame(() => done(performance.now() - began))
    : requestAnimationFrame(look);
  requestAnimationFrame(look);
})"""


def measured(data: Path) -> dict[str, object] | None:
    """Seconds from `python app.py` to both answers, the first time ever and from then on, and
    milliseconds of each tab; None: no browser."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        (first, _), (again, tabs) = (visited(browser, data) for _ in range(2))
        browser.close()
    every = [ms for times in tabs.values() for ms in times]
    return {
        "first": round(first, 1),
        "again": round(again, 1),
        "worst": round(max(every)),
        "tabs": {
            t: {"median": round(statistics.median(m)), "worst": round(max(m))}
            for t, m in tabs.items()
        },
    }


def visited(browser, data: Path) -> tuple[float, dict[str, list[float]]]:
    """One life of the app: seconds until the answers are there, and its tabs."""
    began = time.monotonic()
    app = started(data)
    try:
        wait_for(app)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(app.url)
        page.get_by_test_id("unlearned").wait_for(timeout=SLOW)
        seconds = time.monotonic() - began
        page.locator("#set table").wait_for(timeout=SLOW)
        tabs = switches(page)
        page.close()
    finally:
        app.process.kill()
        app.process.wait()
    return seconds, tabs


def switches(page) -> dict[str, list[float]]:
    """Every tab some times, in turn."""
    names = [t.strip() for t in page.get_by_role("tab").all_inner_texts()]
    times: dict[str, list[float]] = {n: [] for n in dict.fromkeys(names) if n}
    for number in range(ROUNDS * len(times)):
        name = [*times][(number + 1) % len(times)]
        times[name].append(page.evaluate(SWITCH, name))
        page.wait_for_timeout(300)
    return times


def main() -> None:
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measured(Path(folder))))


if __name__ == "__main__":
    main()
