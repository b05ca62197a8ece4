"""The command line as a whole: every command with its options, and what its exit codes mean."""

from __future__ import annotations

import argparse
import json
import sys

from hfru_core.cli import (
    adapter,
    answer,
    app,
    assemble,
    bench,
    evaluate,
    judge,
    leaderboard,
    plan,
    pretrain,
    suggest,
    unlearn,
)
from hfru_core.cli.stderr import SPEAKS
from hfru_core.types import UserError

COMMANDS = {
    "unlearn": (unlearn, "forget concepts; ends in an adapter folder"),
    "evaluate": (evaluate, "measure a model on images it never saw"),
    "plan": (plan, "what a session with a model costs, before it is loaded"),
    "answer": (answer, "ask one question about one image"),
    "judge": (judge, "what answers say about concepts, of a model that runs anywhere"),
    "suggest": (suggest, "word lists for a concept of your own"),
    "pretrain": (pretrain, "train a VLM of the bundled architecture"),
    "assemble": (assemble, "make a VLM around a published language model"),
    "adapter": (adapter, "inspect, move, merge, scale or stack adapters"),
    "bench": (bench, "several methods side by side"),
    "leaderboard": (leaderboard, "check rows of the bench that others made"),
    "app": (app, "serve HFRU Studio in the browser"),
}
EXAMPLES = """examples:
  hfru unlearn --forget dog,elephant --out runs/no-dogs
  hfru unlearn --forget "Mara Velden" --data world:7 --out runs/no-mara --json
  hfru evaluate --adapter runs/no-dogs --forget dog,elephant --data world:99
  hfru answer picture.png "What is it?" --adapter runs/no-dogs

In a checkout that is not installed, `python -m hfru_core` does the same as `hfru`.
"""


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(
        prog="hfru",
        description="Unlearn a concept from a VLM's vision encoder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (command, text) in COMMANDS.items():
        command.add_options(commands.add_parser(name, help=text))
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; exit code 0, or 2 with a message where the person can mend something."""
    args = parser().parse_args(argv)
    try:
        result = COMMANDS[args.command][0].run(args)
    except UserError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; repeat the command to go on from the last checkpoint", file=sys.stderr)
        return 130
    if getattr(args, "json", False) and SPEAKS:
        print(json.dumps(result))
    return 0
