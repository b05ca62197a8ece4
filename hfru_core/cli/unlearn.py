"""The command `unlearn`: forget concepts, measure the result, leave an adapter folder."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfru_core.cli import stderr
from hfru_core.cli.options import FORGET, SOURCE, add_model, load_model, rates_json
from hfru_core.types import SCOPES, Concept

if TYPE_CHECKING:
    from hfru_core.model.vlm import VLM
    from hfru_core.pipeline import Plan


def add_options(p: argparse.ArgumentParser) -> None:
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
    p.add_argument(
        "--full",
        action="store_true",
        help="train all weights of the adapted layers instead of a low rank: a larger adapter",
    )
    p.add_argument("--group", type=int, help="answers to each prompt (default: the preset's)")
    p.add_argument(
        "--checkpointing",
        action="store_true",
        help="compute the tower's layers twice: less memory, more time",
    )
    p.add_argument("--out", required=True, type=Path, help="the adapter folder to make")
    add_model(p)


def setting(text: str) -> tuple[str, float]:
    """'beta=0.2' -> ('beta', 0.2)."""
    name, _, value = text.partition("=")
    return name, float(value)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run a session with a progress bar, then measure its adapter."""
    from hfru_core import pipeline
    from hfru_core.adapters import combine

    began = time.perf_counter()
    out = args.out.with_name(f"{args.out.name}.next") if args.on else args.out
    prepared = pipeline.prepare(plan(args), lambda: model_to_train(args, out))
    session = pipeline.unlearn(prepared, out)
    stderr.follow(session)
    if args.on:
        combine.put_on_top(args.on, out, args.out)
    seconds = time.perf_counter() - began
    base = load_model(args) if args.on else None  # a series adapts what is not the base any more
    before, after = pipeline.rates(base, session.vlm, prepared.data)
    stderr.table(before, after)
    return {
        **rates_json(after, before),
        "seconds": round(seconds, 1),
        "steps": session.progress.step,
        "adapter": str(args.out),
        "best_step": session.progress.best_step,
    }


def plan(args: argparse.Namespace) -> Plan:
    """What was asked for, checked."""
    from hfru_core import pipeline
    from hfru_core.data.source import parse_source

    return pipeline.plan(
        parse_source(args.data),
        args.forget,
        retain=args.retain or "",
        earlier=forgotten_by(args.on) if args.on else (),
        method=args.method,
        preset=args.preset,
        steps=args.steps,
        seed=args.seed,
        scope=args.scope,
        device=args.device,
        checkpointing=args.checkpointing,
        group=args.group,
        full=args.full or None,
        settings=tuple(args.set) if args.set else None,
    )


def forgotten_by(folder: Path) -> tuple[Concept, ...]:
    """The concepts that an adapter has removed already."""
    from hfru_core.adapters.validate import checked_record

    return checked_record(folder).concepts


def model_to_train(args: argparse.Namespace, out: Path) -> VLM:
    """The base model, with the earlier adapter of a series merged into it.

    A session that goes on does so in the format of numbers that it began with.
    """
    from hfru_core.adapters import combine
    from hfru_core.session import dtype_begun

    model = load_model(args, dtype_begun(out))
    return combine.base_of_next(model, args.on) if args.on else model
