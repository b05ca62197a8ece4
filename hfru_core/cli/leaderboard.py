"""The command `leaderboard`: check rows that others made, and show them beside the bench's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hfru_core.cli.options import add_output


def add_options(p: argparse.ArgumentParser) -> None:
    p.description = (
        "Check a leaderboard's rows (the schema of bench.json, with `by` and `code`), and print "
        "their means as a table. What is wrong is told row by row, and the exit code is 2."
    )
    p.add_argument("file", type=Path, metavar="FILE.json", help="such as assets/leaderboard.json")
    p.add_argument("--beside", type=Path, metavar="BENCH.json", help="rows to show with them")
    add_output(p)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print the table of rows that are right."""
    from hfru_core.bench.leaderboard import checked
    from hfru_core.bench.results_file import load
    from hfru_core.bench.table import group, markdown

    rows = checked(args.file).rows
    more = load(args.beside).rows if args.beside else ()
    print(markdown(group((*rows, *more), "tasks")) if rows or more else "no rows yet")
    return {"rows": len(rows), "beside": len(more)}
