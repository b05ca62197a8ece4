"""What the command line takes: every command with its options."""

from __future__ import annotations

import argparse
from pathlib import Path

from hfru_core.cli import adapter
from hfru_core.cli.app import add_app
from hfru_core.cli.bench import add_bench
from hfru_core.types import SCOPES

EXAMPLES = """examples:
  python -m hfru_core unlearn --forget dog,elephant --out runs/no-dogs
  python -m hfru_core unlearn --forget "Mara Velden" --data world:7 --out runs/no-mara --json
  python -m hfru_core evaluate --adapter runs/no-dogs --forget dog,elephant --data world:99
  python -m hfru_core answer picture.png "What is it?" --adapter runs/no-dogs
"""
PICTURES = "world, world:SEED, pacs:FILE.parquet or folder:DIR (default: world)"
SOURCE = (
    "world, world:SEED, pacs:FILE.parquet, folder:DIR, or a benchmark's folder or forget split: "
    "mllmu:DIR, clear:DIR/forget05 (default: world)"
)
FORGET = "concepts or people, separated by commas; of a benchmark 'all': its forget split"


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(
        prog="python -m hfru_core",
        description="Unlearn a concept from a VLM's vision encoder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_unlearn(commands.add_parser("unlearn", help="forget concepts; ends in an adapter folder"))
    add_evaluate(commands.add_parser("evaluate", help="measure a model on pictures it never saw"))
    add_answer(commands.add_parser("answer", help="ask one question about one picture"))
    add_suggest(commands.add_parser("suggest", help="word lists for a concept of your own"))
    add_pretrain(commands.add_parser("pretrain", help="train a VLM of the bundled architecture"))
    adapters = commands.add_parser("adapter", help="inspect, move, merge, scale or stack adapters")
    adapter.add_adapter(adapters, add_output)
    add_bench(commands.add_parser("bench", help="several methods side by side"), add_output)
    add_app(commands.add_parser("app", help="serve HFRU Studio in the browser"))
    return top


def setting(text: str) -> tuple[str, float]:
    """NAME=VALUE."""
    name, _, value = text.partition("=")
    return name, float(value)


def add_common(p: argparse.ArgumentParser) -> None:
    p.add_argument("--model", help="model folder or Hub id (default: the bundled model)")
    p.add_argument("--revision", help="commit, tag or branch of a model from the Hub")
    p.add_argument(
        "--quantize",
        choices=["nf4", "int8"],
        help="the decoder in 4 or 8 bits, for small GPUs (tower and projector stay)",
    )
    p.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    add_output(p)


def add_output(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    p.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show the traceback of an error",
    )


def add_unlearn(p: argparse.ArgumentParser) -> None:
    p.add_argument("--forget", required=True, help=FORGET)
    p.add_argument("--retain", help="what to hold on to (default: everything else known)")
    p.add_argument("--data", default="world", help=SOURCE)
    p.add_argument("--method", default="hfru", help="hfru, or another method of the bench")
    p.add_argument(
        "--set",
        type=setting,
        nargs="+",
        metavar="NAME=VALUE",
        help="constants of a method, such as beta=0.2",
    )
    p.add_argument("--preset", default="default", help="default (ours), deep or paper")
    p.add_argument("--steps", type=int, help="steps of both stages together")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--scope", choices=SCOPES, help="what is adapted (default: as published)")
    p.add_argument(
        "--on",
        type=Path,
        metavar="ADAPTER",
        help="an earlier adapter to go on from: what it removed is held forgotten, and "
        "the new adapter is for all of it",
    )
    p.add_argument("--group", type=int, help="answers to each prompt (default: the preset's)")
    p.add_argument(
        "--checkpointing",
        action="store_true",
        help="compute the tower's layers twice: less memory, more time",
    )
    p.add_argument("--out", required=True, type=Path, help="the adapter folder to make")
    add_common(p)


def add_evaluate(p: argparse.ArgumentParser) -> None:
    p.add_argument("--adapter", type=Path, help="adapter folder (default: the base model alone)")
    p.add_argument("--forget", required=True, help=FORGET)
    p.add_argument("--retain", help="what should be kept (default: everything else known)")
    p.add_argument("--data", default="world", help=SOURCE)
    p.add_argument("--pictures", type=int, default=400, help="pictures a side (default: 400)")
    p.add_argument("--examples", type=int, default=0, help="also print so many answers")
    p.add_argument("--seed", type=int, default=0)
    add_common(p)


def add_answer(p: argparse.ArgumentParser) -> None:
    p.add_argument("image", help="a picture file, or a key of the drawn world")
    p.add_argument("question")
    p.add_argument("--adapter", type=Path, help="adapter folder: both answers are given")
    add_common(p)


def add_suggest(p: argparse.ArgumentParser) -> None:
    p.description = (
        "Ask the model for the words around a concept and write them to FOLDER/concept.json, to be "
        "edited. Put 4 or more pictures into the same folder, then: unlearn --data folder:PARENT."
    )
    p.add_argument("name", help="the concept's name, such as 'garden gnome'")
    p.add_argument("--kind", default="object", choices=["object", "identity"])
    p.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="PARENT",
        help="concept.json goes into PARENT/<name>/",
    )
    add_common(p)


def add_pretrain(p: argparse.ArgumentParser) -> None:
    p.add_argument("--data", default="world", help=PICTURES)
    p.add_argument("--without", default="", help="names never taught (makes an oracle)")
    p.add_argument("--init", help="start from this model's weights")
    p.add_argument("--pictures", type=int, help="drawn pictures to train on")
    p.add_argument("--workers", type=int, help="processes that share each batch (default: 2)")
    p.add_argument("--head-steps", type=int, help="steps of the first stage")
    p.add_argument("--language-steps", type=int, help="steps of the second stage")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", required=True, type=Path, help="the model folder to make")
    add_output(p)
