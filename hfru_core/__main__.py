"""The command line: unlearn, evaluate, answer, pretrain, suggest, adapter, bench, app."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from hfru_core import pipeline
from hfru_core.cli import adapter as adapter_commands
from hfru_core.cli import app
from hfru_core.cli.bench import bench
from hfru_core.cli.options import parser
from hfru_core.types import Evaluation, Rate, UserError

SPEAKS = os.environ.get("RANK", "0") == "0"  # of several processes one


def unlearn(args: argparse.Namespace) -> dict:
    """Run a session with a progress bar, then measure its adapter."""
    from hfru_core.adapters import combine
    from hfru_core.concepts import parse
    from hfru_core.data.build import build
    from hfru_core.data.source import parse_source
    from hfru_core.evaluate import evaluate
    from hfru_core.methods import configured
    from hfru_core.session import UnlearnSession
    from hfru_core.training import distil

    began = time.perf_counter()
    source = parse_source(args.data)
    known = source.known_concepts()
    forget, retain = parse(args.forget, known), parse_retain(args.retain, known)
    forget = together(earlier(args.on), forget)
    config = configured(
        args.method,
        args.preset,
        forget,
        seed=args.seed,
        scope=args.scope,
        device=args.device,
        checkpointing=args.checkpointing,
        group=args.group,
        settings=tuple(args.set) if args.set else None,
    )
    config = config.with_(**pipeline.split_steps(config, args.steps))
    request = build(forget, source, retain=retain, seed=args.seed)
    model = loaded(args)
    if args.on:
        model = combine.base_of_next(model, args.on)
    if source.distils:
        request = distil.distilled(model, request, with_retain=not config.feature_hold)
    out = args.out.with_name(f"{args.out.name}.next") if args.on else args.out
    session = UnlearnSession(model, request, config, out)
    follow(session)
    if args.on:
        combine.put_on_top(args.on, out, args.out)
    spent = time.perf_counter() - began
    before, _ = evaluate(loaded(args), request)
    after, _ = evaluate(session.vlm, request)
    table(before, after)
    return {
        **rates(after, before),
        "seconds": round(spent, 1),
        "steps": session.progress.step,
        "adapter": str(args.out),
        "best_step": session.progress.best_step,
    }


def earlier(folder: Path | None) -> tuple:
    """The concepts that an adapter has removed already."""
    from hfru_core.adapters.validate import checked_record

    return checked_record(folder).concepts if folder else ()


def together(before: tuple, now: tuple) -> tuple:
    """All that shall be forgotten in the end: left alone, what went first would come back."""
    again = [c.name for c in now if c in before]
    if again:
        raise UserError(f"{', '.join(again)} was forgotten before: ask for something else.")
    return (*before, *now)


def loaded(args: argparse.Namespace):
    """The base model that was asked for."""
    from hfru_core.model import vlm

    return vlm.load(
        args.model or vlm.BUNDLED,
        device=args.device,
        revision=args.revision,
        quantize=args.quantize,
    )


def follow(session) -> None:
    """A progress bar with the live rewards, on stderr."""
    bar = tqdm(
        total=session.config.steps,
        unit="step",
        file=sys.stderr,
        dynamic_ncols=True,
        disable=not SPEAKS,
    )
    with bar:
        for event in session.run():
            bar.update(event.step - bar.n)
            shown = {k: f"{v:.2f}" for k, v in event.rewards.items()}
            if event.score is not None:
                shown["score"] = f"{event.score:.3f}"
            bar.set_description(event.stage, refresh=False)
            bar.set_postfix(shown or {"loss": f"{event.loss:.3f}"})


def evaluate_command(args: argparse.Namespace) -> dict:
    """Rates of a model, with or without an adapter, beside the base model's."""
    from hfru_core.adapters import folder as adapter
    from hfru_core.adapters.validate import checked_record
    from hfru_core.concepts import parse
    from hfru_core.data.build import build
    from hfru_core.data.samples import Amount
    from hfru_core.data.source import parse_source
    from hfru_core.evaluate import evaluate

    began = time.perf_counter()
    if args.pictures < 1:
        raise UserError(f"--pictures must be at least 1, got {args.pictures}.")
    if args.adapter:
        checked_record(args.adapter)  # A bad folder is refused before any work.
    source = parse_source(args.data)
    known = source.known_concepts()
    amount = Amount(0, 0, args.pictures, args.pictures)
    request = build(
        parse(args.forget, known),
        source,
        retain=parse_retain(args.retain, known),
        amount=amount,
        seed=args.seed,
    )
    model = loaded(args)
    before, rows = evaluate(model, request, progress_on_stderr("base"))
    after = before
    if args.adapter:
        model = adapter.load(model, args.adapter)
        after, rows = evaluate(model, request, progress_on_stderr("unlearned"))
    table(before, after)
    for row in rows[: args.examples]:
        print(f"{row.sample.id}\t{row.sample.question}\t{row.text}", file=sys.stderr)
    return {
        **rates(after, before),
        "seconds": round(time.perf_counter() - began, 1),
        "steps": 0,
        "adapter": str(args.adapter) if args.adapter else None,
    }


def progress_on_stderr(label: str):
    bar = tqdm(desc=label, unit="answer", file=sys.stderr, leave=False, disable=not SPEAKS)

    def tell(done: int, of: int) -> None:
        bar.total = of
        bar.update(done - bar.n)
        if done == of:
            bar.close()

    return tell


def answer(args: argparse.Namespace) -> dict:
    """One question about one picture, by the base model and by the unlearned one."""
    from hfru_core.adapters import folder as adapter
    from hfru_core.data.source import load_image

    image = load_image(args.image)
    model = loaded(args)
    said = {"base": model.answer([image], [args.question])[0]}
    if args.adapter:
        said["unlearned"] = adapter.load(model, args.adapter).answer([image], [args.question])[0]
    if not args.json:
        for name, text in said.items():
            print(f"{name}: {text}")
    return {"question": args.question, **said}


def suggest(args: argparse.Namespace) -> dict:
    """Word lists for a person's own concept, beside where its pictures belong."""
    from hfru_core.data import custom_concept

    concept = custom_concept.suggest(loaded(args), args.name, args.kind)
    file = custom_concept.save(concept, args.out / concept.id)
    if not args.json:
        print(f"{file}: check the words, put 4 or more pictures beside it.")
    return {"file": str(file), **asdict(concept)}


def pretrain(args: argparse.Namespace) -> dict:
    """Train a model of the bundled architecture from scratch, or on from another one."""
    from hfru_core.pretrain import train as training

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
    recipe = training.Recipe(**{k: v for k, v in given.items() if v is not None})
    return training.run(recipe, args.out)


def parse_retain(text: str | None, known: dict) -> tuple:
    from hfru_core.concepts import parse

    return parse(text, known) if text else ()


def rates(now: Evaluation, base: Evaluation) -> dict:
    """The contract's JSON: every rate with n and interval; the base model's beside it."""
    return {
        name: {**asdict(value), "base": getattr(base, name).rate}
        for name, value in vars(now).items()
    }


def table(before: Evaluation, after: Evaluation) -> None:
    """Rates before and after, for people, on stderr."""
    if not SPEAKS:
        return
    print(f"{'measure':<15}{'before':>10}{'after':>10}   95 % interval      n", file=sys.stderr)
    for name, value in vars(after).items():
        interval = "" if value.rate is None else f"{value.low:7.1%} -{value.high:6.1%}"
        print(
            f"{name:<15}{percent(getattr(before, name)):>10}{percent(value):>10}  {interval:<16}"
            f"{value.n:>6}",
            file=sys.stderr,
        )


def percent(value: Rate) -> str:
    return "-" if value.rate is None else f"{value.rate:.1%}"


COMMANDS = {
    "unlearn": unlearn, "evaluate": evaluate_command, "answer": answer, "pretrain": pretrain,
    "suggest": suggest, "adapter": adapter_commands.run, "bench": bench,
    "app": app.run,
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run one command; exit code 0, or 2 with a message where the person can mend something."""
    args = parser().parse_args(argv)
    try:
        result = COMMANDS[args.command](args)
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


if __name__ == "__main__":
    sys.exit(main())
