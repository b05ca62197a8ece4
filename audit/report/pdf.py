"""A page as PDF, printed by the browser of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hfru_core.types import UserError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
SECONDS = 180


def browser() -> str:
    """The browser that prints; raises where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise UserError(
            f"--pdf needs Chromium or a browser of its kind, and none of {', '.join(BROWSERS)} is "
            "found here. Install one, or leave out --pdf and print report.html from any browser."
        )
    return found


def print_pdf(page: Path, out: Path) -> None:
    """Print a page as the browser would; nothing is loaded from elsewhere."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser(), "--headless", "--disable-gpu", f"--user-data-dir={profile}"]
        if getattr(os, "geteuid", lambda: 1)() == 0:  # Chromium refuses its sandbox to root.
            command.append("--no-sandbox")
        command += ["--no-pdf-header-footer", f"--print-to-pdf={out}", page.absolute().as_uri()]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"The browser could not print the report: {error}.") from None
    if not out.is_file():
        last = (ran.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(
            f"The browser printed no PDF: {last[:300]}. Leave out --pdf, and print report.html "
            "from a browser."
        )
