"""The command `app`, which `python app.py` and a Hugging Face Space run too: serve HFRU Studio."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import socket
import sys
import tempfile
from pathlib import Path

from hfru_core.paths import PHOTO, chosen
from hfru_core.types import UserError

ON_SPACE = "SPACE_ID" in os.environ
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ADDRESSES, FRAMED_BY = "HFRU_ADDRESS", "HFRU_FRAMED_BY"  # variables, with blanks in between
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Threads that wait for each other by spinning make an answer ten times slower on busy cores.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def add_options(p: argparse.ArgumentParser) -> None:
    """Where to serve; a Space must listen on all addresses, everyone else on loopback."""
    p.description = "Serve HFRU Studio in the browser."
    p.add_argument("--host", default="0.0.0.0" if ON_SPACE else "127.0.0.1")
    p.add_argument("--port", type=int, default=7860)
    p.add_argument(
        "--model",
        help="photo (bundled), model folder or Hub id; 'fitting' takes one for the hardware found "
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
        "--address",
        action="append",
        metavar="URL",
        default=os.environ.get(ADDRESSES, "").split(),
        help="an address that browsers know the app by, such as https://studio.example, where a "
        "proxy stands before it; may be repeated (default: HFRU_ADDRESS). The app then answers to "
        "these names alone. Without it an app on loopback answers to this machine's own names, "
        "and one on another --host to every name, if the page that asks is of that name too",
    )
    p.add_argument(
        "--framed-by",
        action="append",
        metavar="URL",
        default=os.environ.get(FRAMED_BY, "").split(),
        help="a site whose pages may show the app in an iframe; may be repeated (default: "
        "HFRU_FRAMED_BY, else none; a Space may be shown by huggingface.co)",
    )
    p.add_argument(
        "--mcp", action="store_true", help="also serve the API as MCP tools, on loopback only"
    )


def parser() -> argparse.ArgumentParser:
    """The options of `python app.py`."""
    alone = argparse.ArgumentParser()
    add_options(alone)
    return alone


def run(args: argparse.Namespace) -> None:
    """Serve until it is stopped; raises UserError where the options do not go together."""
    if args.mcp and args.host not in LOOPBACK:
        raise UserError(
            "--mcp is for one person: all its clients share their adapters. Serve on loopback."
        )
    if args.mcp and args.address:
        raise UserError(
            "--mcp is for programs on this machine: leave out either --mcp or --address "
            f"({ADDRESSES})."
        )
    if args.mcp and importlib.util.find_spec("mcp") is None:
        raise UserError("--mcp needs the package mcp: pip install 'gradio[mcp]'")
    prepare_gradio()
    from hfru_core.studio.app import build_app, launch
    from hfru_core.studio.server import accounts, hardware, origin

    where = origin.served(args.host, args.address, args.framed_by, os.environ.get("SPACE_HOST", ""))
    auth = accounts.given(args.auth)
    if auth and args.mcp:
        raise UserError("--mcp has no login: leave out either --mcp or --auth (HFRU_AUTH).")
    model = hardware.here().model if args.model == "fitting" else args.model
    check_model(model)
    check_folder(args.data)
    check_port(args.host, args.port)
    page = build_app(Path(chosen(model)), args.data, photo=None if model else PHOTO)
    login = accounts.slowed(auth) if auth else None
    launch(page, args.host, args.port, where, auth=login, mcp_server=args.mcp)


def check_model(model: str | None) -> None:
    """Refuse a folder that is not there; OWNER/NAME may be one of the Hub."""
    where = str(chosen(model))
    if not Path(where).is_dir() and not HUB_ID.fullmatch(where):
        raise UserError(
            f"--model: there is no folder '{model}'. Give the folder of a model, or OWNER/NAME of "
            "one of the Hub."
        )


def check_folder(folder: Path) -> None:
    """Make the data folder, and refuse one that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"--data: '{folder}' cannot hold files ({error.strerror}). Give a folder that this "
            "user may write, by --data or HFRU_DATA."
        ) from None


def check_port(host: str, port: int) -> None:
    """Refuse a port that another program has, or that this user may not take."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UserError(
                f"--port {port} on {host} cannot be used ({error}). Is the app running already? "
                "Give another --port."
            ) from None


def prepare_gradio() -> None:
    """Import Gradio without its telemetry and without the stubs that it writes for editors.

    It writes them beside its sources whenever it is imported, which is 40 % of that time; classes
    without a file are left out.
    """
    from unittest.mock import patch

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with patch("inspect.getfile", side_effect=OSError):
        import gradio  # noqa: F401


def main(argv: list[str] | None = None) -> int:
    """What `python app.py` does."""
    args = parser().parse_args(argv)
    try:
        run(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
