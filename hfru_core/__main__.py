"""The command line: unlearn, evaluate, answer, pretrain, adapter."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from hfru_core import adapter_commands
from hfru_core.types import Evaluation, Rate, UserError

EXAMPLES = """examples:
  python -m hfru_core unlearn --forget dog,elephant --out runs/no-dogs
  python -m hfru_core unlearn --forget "Mara Velden" --data world:7 --out runs/no-mara --json
  python -m hfru_core evaluate --adapter runs/no-dogs --forget dog,elephant --data world:99
  python -m hfru_core answer picture.png "What is it?" --adapter runs/no-dogs
"""
SOURCE = "world, world:SEED, pacs:FILE.parquet or folder:DIR (default: world)"


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(
        prog="python -m hfru_core", description="Unlearn a concept from a VLM's vision encoder.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_unlearn(commands.add_parser("unlearn", help="forget concepts; ends in an adapter folder"))
    add_evaluate(commands.add_parser("evaluate", help="measure a model on pictures it never saw"))
    add_answer(commands.add_parser("answer", help="ask one question about one picture"))
    add_suggest(commands.add_parser("suggest", help="word lists for a concept of your own"))
    add_pretrain(commands.add_parser("pretrain", help="train a VLM of the bundled architecture"))
    adapters = commands.add_parser("adapter", help="inspect, move, merge, scale or stack adapters")
    adapter_commands.add_adapter(adapters, add_output)
    return top


def add_common(p: argparse.ArgumentParser) -> None:
    p.add_argument("--model", help="model folder or Hub id (default: the bundled model)")
    p.add_argument("--revision", help="commit, tag or branch of a model from the Hub")
    p.add_argument("--quantize", choices=["nf4", "int8"],
                   help="the decoder in 4 or 8 bits, for small GPUs (tower and projector stay)")
    p.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    add_output(p)


def add_output(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    p.add_argument("--debug", action="store_true", default=argparse.SUPPRESS,
                   help="show the traceback of an error")  # fmt: skip


def add_unlearn(p: argparse.ArgumentParser) -> None:
    p.add_argument("--forget", required=True, help="concepts or people, separated by commas")
    p.add_argument("--retain", help="what to hold on to (default: everything else known)")
    p.add_argument("--data", default="world", help=SOURCE)
    p.add_argument("--method", default="hfru", choices=["hfru"], help="how to unlearn")
    p.add_argument("--preset", default="default", help="default (ours) or paper")
    p.add_argument("--steps", type=int, help="steps of both stages together")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--scope", choices=["encoder", "encoder+projector"], help="what is adapted")
    p.add_argument("--on", type=Path, metavar="ADAPTER",
                   help="an earlier adapter to go on from: what it removed stays removed, and the "
                   "new adapter holds both")  # fmt: skip
    p.add_argument("--group", type=int, help="answers to each prompt (default: the preset's)")
    p.add_argument("--checkpointing", action="store_true",
                   help="compute the tower's layers twice: less memory, more time")
    p.add_argument("--out", required=True, type=Path, help="the adapter folder to make")
    add_common(p)


def add_evaluate(p: argparse.ArgumentParser) -> None:
    p.add_argument("--adapter", type=Path, help="adapter folder (default: the base model alone)")
    p.add_argument("--forget", required=True, help="concepts or people, separated by commas")
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
    p.add_argument("--out", required=True, type=Path, metavar="PARENT",
                   help="concept.json goes into PARENT/<name>/")
    add_common(p)


def add_pretrain(p: argparse.ArgumentParser) -> None:
    p.add_argument("--data", default="world", help=SOURCE)
    p.add_argument("--without", default="", help="names never taught (makes an oracle)")
    p.add_argument("--init", help="start from this model's weights")
    p.add_argument("--pictures", type=int, help="drawn pictures to train on")
    p.add_argument("--workers", type=int, help="processes that share each batch (default: 2)")
    p.add_argument("--head-steps", type=int, help="steps of the first stage")
    p.add_argument("--language-steps", type=int, help="steps of the second stage")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", required=True, type=Path, help="the model folder to make")
    add_output(p)


def unlearn(args: argparse.Namespace) -> dict:
    """Run a session with a progress bar, then measure its adapter."""
    from hfru_core import combine, data, own
    from hfru_core.concepts import parse
    from hfru_core.evaluate import evaluate
    from hfru_core.methods.hfru import preset
    from hfru_core.session import UnlearnSession

    began = time.perf_counter()
    known = data.known_concepts(args.data)
    forget, retain = parse(args.forget, known), parse_retain(args.retain, known)
    config = preset(
        args.preset, forget, seed=args.seed, scope=args.scope, device=args.device,
        checkpointing=args.checkpointing, group=args.group,
    )  # fmt: skip
    config = config.with_(**split_steps(config, args.steps))
    gone = earlier(args.on)
    request = data.build(forget, args.data, retain=retain, gone=gone, seed=args.seed)
    model = loaded(args)
    if args.on:
        model = combine.base_of_next(model, args.on)
    if args.data.startswith("folder:"):
        request = own.distilled(model, request, with_retain=not config.feature_hold)
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
        **rates(after, before), "seconds": round(spent, 1), "steps": session.progress.step,
        "adapter": str(args.out), "best_step": session.progress.best_step,
    }  # fmt: skip


def earlier(folder: Path | None) -> tuple:
    """The concepts that an adapter has removed already."""
    from hfru_core.concepts import from_dict
    from hfru_core.folder import describe

    listed = describe(folder)["concepts"] if folder else ()
    return tuple(from_dict(c, str(folder)) for c in listed)


def loaded(args: argparse.Namespace):
    """The base model that was asked for."""
    from hfru_core import vlm

    return vlm.load(
        args.model or vlm.BUNDLED, device=args.device, revision=args.revision,
        quantize=args.quantize,
    )  # fmt: skip


def split_steps(config, steps: int | None) -> dict[str, int]:
    """Share a number of steps between the stages as the preset does."""
    if steps is None:
        return {}
    if steps < 1:
        raise UserError(f"--steps must be at least 1, got {steps}.")
    first = round(steps * config.stage1_steps / config.steps)
    return {"stage1_steps": first, "grpo_steps": steps - first}


def follow(session) -> None:
    """A progress bar with the live rewards, on stderr."""
    bar = tqdm(total=session.config.steps, unit="step", file=sys.stderr, dynamic_ncols=True)
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
    from hfru_core import adapter, data
    from hfru_core.concepts import parse
    from hfru_core.evaluate import evaluate

    began = time.perf_counter()
    if args.pictures < 1:
        raise UserError(f"--pictures must be at least 1, got {args.pictures}.")
    if args.adapter:
        adapter.describe(args.adapter)  # A bad folder is refused before any work.
    known = data.known_concepts(args.data)
    amount = data.Amount(0, 0, args.pictures, args.pictures)
    request = data.build(
        parse(args.forget, known), args.data, retain=parse_retain(args.retain, known),
        amount=amount, seed=args.seed,
    )  # fmt: skip
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
        **rates(after, before), "seconds": round(time.perf_counter() - began, 1), "steps": 0,
        "adapter": str(args.adapter) if args.adapter else None,
    }  # fmt: skip


def progress_on_stderr(label: str):
    bar = tqdm(desc=label, unit="answer", file=sys.stderr, leave=False)

    def tell(done: int, of: int) -> None:
        bar.total = of
        bar.update(done - bar.n)
        if done == of:
            bar.close()

    return tell


def answer(args: argparse.Namespace) -> dict:
    """One question about one picture, by the base model and by the unlearned one."""
    from hfru_core import adapter, data

    image = data.load_image(args.image)
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
    from hfru_core import own

    concept = own.suggest(loaded(args), args.name, args.kind)
    file = own.save(concept, args.out / concept.id)
    if not args.json:
        print(f"{file}: check the words, put 4 or more pictures beside it.")
    return {"file": str(file), **asdict(concept)}


def pretrain(args: argparse.Namespace) -> dict:
    """Train a model of the bundled architecture from scratch, or on from another one."""
    from hfru_core.world import pretrain as training

    given = {
        "head_steps": args.head_steps, "language_steps": args.language_steps, "seed": args.seed,
        "pictures": args.pictures, "data": args.data, "init": args.init, "workers": args.workers,
        "without": tuple(n.strip() for n in args.without.split(",") if n.strip()),
    }  # fmt: skip
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
    "suggest": suggest, "adapter": adapter_commands.run,
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
    if args.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
