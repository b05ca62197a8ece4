"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfru_core.paths import chosen
from hfru_core.types import Evaluation

if TYPE_CHECKING:
    import torch

    from hfru_core.model.vlm import VLM

SOURCE = (
    "world, world:SEED, folder:DIR, parquet:FILE, hub:OWNER/NAME, pacs:FILE.parquet, or a "
    "benchmark's folder or forget split: mllmu:DIR, umu:DIR, clear:DIR/forget05 (default: world); "
    "their options: docs/models.md"
)
FORGET = "concepts or people, separated by commas; of a benchmark 'all': its forget split"


def add_model(p: argparse.ArgumentParser) -> None:
    """Which model, where it runs, and the output's options."""
    p.add_argument(
        "--model",
        help="photo (bundled), model folder or Hub id (default: the drawn world's model)",
    )
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


def files(text: str) -> list[Path]:
    """'a.parquet,b.parquet' -> the two paths."""
    return [Path(name.strip()) for name in text.split(",") if name.strip()]


def load_model(args: argparse.Namespace, dtype: torch.dtype | None = None) -> VLM:
    """The base model that was asked for, in a format of numbers if one is given."""
    from hfru_core.model import vlm

    return vlm.load(
        chosen(args.model),
        device=args.device,
        revision=args.revision,
        quantize=args.quantize,
        dtype=dtype,
    )


def rates_json(after: Evaluation, base: Evaluation) -> dict[str, Any]:
    """Every rate with n and interval, and the base model's beside it."""
    return {
        name: {**asdict(rate), "base": getattr(base, name).rate}
        for name, rate in vars(after).items()
    }
