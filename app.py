"""The app: `python app.py` serves HFRU Studio on this machine, a Hugging Face Space on its own."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Threads that wait for each other by spinning make an answer ten times slower on busy cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Gradio writes stubs for editors beside its sources whenever it is imported, which is 40 % of that
# time; it leaves out those of classes without a file.
with patch("inspect.getfile", side_effect=OSError):
    import gradio  # noqa: F401

from hfru_core.studio.app import build_app, launch
from hfru_core.studio.server import accounts, hardware  # noqa: E402
from hfru_core.studio.tabs.audit import add_tab  # noqa: E402  (all of the above comes first)
from hfru_core.types import UserError  # noqa: E402

ON_SPACE = "SPACE_ID" in os.environ
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Where to serve; a Space must listen on all addresses, everyone else on loopback."""
    p = argparse.ArgumentParser(description="Serve HFRU Studio in the browser.")
    p.add_argument("--host", default="0.0.0.0" if ON_SPACE else "127.0.0.1")
    p.add_argument("--port", type=int, default=7860)
    p.add_argument(
        "--model",
        help="model folder or Hub id; 'fitting' takes one for the hardware found "
        "(default: the bundled model)",
    )
    p.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("HFRU_DATA", "data")),
        help="where visitors' uploads and adapters lie (default: HFRU_DATA or ./data)",
    )
    p.add_argument(
        "--auth",
        type=Path,
        metavar="FILE",
        help="who may log in: lines of user:password (or the variable HFRU_AUTH with such lines)",
    )
    p.add_argument(
        "--mcp", action="store_true", help="also serve the API as MCP tools, on loopback only"
    )
    args = p.parse_args(argv)
    if args.mcp and args.host not in LOOPBACK:
        p.error("--mcp is for one person: all its clients share their adapters. Serve on loopback.")
    if args.mcp and importlib.util.find_spec("mcp") is None:
        p.error("--mcp needs the package mcp: pip install 'gradio[mcp]'")
    return args


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    try:
        auth = accounts.given(args.auth)
        if auth and args.mcp:
            raise UserError("--mcp has no login: leave out either --mcp or --auth (HFRU_AUTH).")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    model = hardware.here().model if args.model == "fitting" else args.model
    chosen = {"model": Path(model)} if model else {}
    page = build_app(data_folder=args.data, tabs_after=(add_tab,), **chosen)
    launch(page, args.host, args.port, auth=auth, mcp_server=args.mcp)
    return 0


if __name__ == "__main__":
    sys.exit(main())
