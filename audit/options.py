"""The options of the command line, with their help."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from audit.cases import PICTURES

PDF = "also report.pdf, printed by Chromium, Chrome or Edge"
EXAMPLES = """examples:
  {prog} assets/adapters/dog --out runs/audit-dog
  {prog} runs/no-dogs --deep --seed 1 --out runs/audit-deep --json
  {prog} --original owner/model@v1 --unlearned saves/forgot --forget dog --data folder:photos \
    --out runs/audit-forgot
  {prog} diff runs/audit-dog runs/audit-deep
  {prog} render runs/audit-dog --pdf

exit codes: 0 clear, 1 leak found or model damaged, 2 could not run, 3 inconclusive or borderline
"""


def prog() -> str:
    """The command as it was called: the installed one, or the module."""
    return "hfru-audit" if Path(sys.argv[0]).stem == "hfru-audit" else "python -m audit"


def parser() -> argparse.ArgumentParser:
    """The options of an audit."""
    p = argparse.ArgumentParser(
        prog=prog(),
        description="Look for what is left of a forgotten concept, and write a report. "
        f"`{prog()} diff A B` compares two reports, `{prog()} render DIR` makes a report's page "
        f"again, `{prog()} --list` tells what every audit is for, needs, costs and leaves out.",
        epilog=EXAMPLES.format(prog=prog()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for add in (add_models, add_exam, add_report):
        add(p)
    return with_common(p)


def add_models(p: argparse.ArgumentParser) -> None:
    """What is audited, and against what."""
    p.add_argument(
        "adapter", nargs="?", metavar="ADAPTER_DIR", help="a LoRA folder, of any program"
    )
    p.add_argument("--unlearned", metavar="MODEL", help="the same, or a whole model")
    p.add_argument(
        "--original",
        "--model",
        dest="model",
        metavar="MODEL",
        help="what it was made from: photo, a folder, or a Hub id with or without @REVISION "
        "(default: the drawn world's model)",
    )
    p.add_argument(
        "--forget",
        metavar="NAMES",
        help="what it should have forgotten, separated by commas (default: what its record says)",
    )
    p.add_argument(
        "--data",
        help="world:SEED, folder:DIR, parquet:FILE or pacs:FILE.parquet; images that the session "
        "never saw (default: drawn ones that go with the seed)",
    )
    p.add_argument(
        "--retrained",
        "--oracle",
        dest="oracle",
        metavar="MODEL",
        help="an oracle: a model that never saw the concept "
        "(default: a shipped one, where the base is the bundled model)",
    )


def add_exam(p: argparse.ArgumentParser) -> None:
    """How much is asked, and where."""
    p.add_argument(
        "--deep", action="store_true", help="add the attacks that retrain the model (4+ minutes)"
    )
    p.add_argument(
        "--seed",
        type=int,
        help="of every random choice, the pictures included: repeats an audit (default: drawn)",
    )
    p.add_argument(
        "--pictures",
        type=int,
        default=PICTURES,
        metavar="N",
        help=f"forget images to evaluate; the others in proportion (default: {PICTURES})",
    )
    p.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def add_report(p: argparse.ArgumentParser) -> None:
    """Where the report goes, and what it says of itself."""
    p.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the report's folder, which must not exist",
    )
    p.add_argument("--operator", default="", metavar="NAME", help="who runs it, for the report")
    p.add_argument(
        "--request", default="", metavar="TEXT", help="what is asked, and by whom, for the report"
    )
    p.add_argument("--pdf", action="store_true", help=PDF)
    p.add_argument("--events", action="store_true", help="progress as JSON lines on stdout")


def diff_parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog=f"{prog()} diff",
        description="Show what changed between two reports: on the same samples answer by answer "
        "(McNemar's test, bootstrap over pictures).",
    )
    p.add_argument("a", type=Path, metavar="A", help="report.json or its folder")
    p.add_argument("b", type=Path, metavar="B")
    p.add_argument(
        "--unpaired",
        action="store_true",
        help="compare intervals alone, also of reports on different samples",
    )
    return with_common(p)


def render_parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog=f"{prog()} render",
        description="Make a report's page, tables and hashes again from its report.json.",
    )
    p.add_argument("folder", type=Path, nargs="+", metavar="DIR", help="a report's folder")
    p.add_argument("--pdf", action="store_true", help=PDF)
    return with_common(p)


def with_common(p: argparse.ArgumentParser) -> argparse.ArgumentParser:
    p.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    p.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return p
