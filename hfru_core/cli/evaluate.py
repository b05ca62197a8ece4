"""The command `evaluate`: rates of a model, with or without an adapter, beside the base model's."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from hfru_core.cli import stderr
from hfru_core.cli.options import FORGET, SOURCE, add_model, load_model, rates_json
from hfru_core.types import UnlearnData, UserError


def add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--adapter", type=Path, help="adapter folder (default: the base model alone)")
    p.add_argument("--forget", required=True, help=FORGET)
    p.add_argument("--retain", help="what should be kept (default: everything else known)")
    p.add_argument("--data", default="world", help=SOURCE)
    p.add_argument("--pictures", type=int, default=400, help="images a side (default: 400)")
    p.add_argument("--examples", type=int, default=0, help="also print so many answers")
    p.add_argument("--seed", type=int, default=0)
    add_model(p)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Ask the base model and the unlearned one the same questions."""
    from hfru_core.adapters import folder as adapter
    from hfru_core.adapters.validate import checked_record
    from hfru_core.evaluate import evaluate

    began = time.perf_counter()
    if args.pictures < 1:
        raise UserError(f"--pictures must be at least 1, got {args.pictures}.")
    if args.adapter:
        checked_record(args.adapter)  # A bad folder is refused before any work.
    data = data_to_judge(args)
    model = load_model(args)
    before, rows = evaluate(model, data, stderr.progress("base"))
    after = before
    if args.adapter:
        model = adapter.load(model, args.adapter)
        after, rows = evaluate(model, data, stderr.progress("unlearned"))
    stderr.table(before, after)
    for row in rows[: args.examples]:
        print(f"{row.sample.id}\t{row.sample.question}\t{row.text}", file=sys.stderr)
    return {
        **rates_json(after, before),
        "seconds": round(time.perf_counter() - began, 1),
        "steps": 0,
        "adapter": str(args.adapter) if args.adapter else None,
    }


def data_to_judge(args: argparse.Namespace) -> UnlearnData:
    """The request's images that are for evaluation, and none to train on."""
    from hfru_core.concepts import parse
    from hfru_core.data.build import build
    from hfru_core.data.samples import Amount
    from hfru_core.data.source import parse_source

    source = parse_source(args.data)
    known = source.known_concepts()
    return build(
        parse(args.forget, known),
        source,
        retain=parse(args.retain, known) if args.retain else (),
        amount=Amount(0, 0, args.pictures, args.pictures),
        seed=args.seed,
    )
