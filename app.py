"""The app: `python app.py` serves HFRU Studio on this machine, a Hugging Face Space on its own."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Threads that wait for each other by spinning make an answer ten times slower on busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from audit.ui import add_tab  # noqa: E402  (the settings above come first)
from hfru_core.ui import build_app, hardware, launch  # noqa: E402

ON_SPACE = "SPACE_ID" in os.environ


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Where to serve; a Space must listen on all addresses, everyone else on loopback."""
    p = argparse.ArgumentParser(description="Serve HFRU Studio in the browser.")
    p.add_argument("--host", default="0.0.0.0" if ON_SPACE else "127.0.0.1")
    p.add_argument("--port", type=int, default=7860)
    p.add_argument(
        "--model", help="model folder or Hub id; 'fitting' takes one for the hardware found "
        "(default: the bundled model)",
    )  # fmt: skip
    p.add_argument(
        "--data", type=Path, default=Path(os.environ.get("HFRU_DATA", "data")),
        help="where visitors' uploads and adapters lie (default: HFRU_DATA or ./data)",
    )  # fmt: skip
    return p.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    model = hardware.here().model if args.model == "fitting" else args.model
    chosen = {"model": Path(model)} if model else {}
    page = build_app(data_folder=args.data, tabs_after=(add_tab,), **chosen)
    launch(page, args.host, args.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
