"""Where the project's own files are: the same in a checkout, an installed wheel and a Space."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
ASSETS = ROOT / "assets"
