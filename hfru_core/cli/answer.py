"""The command `answer`: one question about one image, to the base model and the unlearned one."""

from __future__ import annotations

import argparse
from pathlib import Path

from hfru_core.cli.options import add_model, load_model


def add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("image", help="an image file, or a key of the drawn world")
    p.add_argument("question")
    p.add_argument("--adapter", type=Path, help="adapter folder: both answers are given")
    add_model(p)


def run(args: argparse.Namespace) -> dict[str, str]:
    """Ask, and print the answers unless they are wanted as JSON."""
    from hfru_core.adapters import folder as adapter
    from hfru_core.data.source import load_image

    image = load_image(args.image)
    model = load_model(args)
    answers = {"base": model.answer([image], [args.question])[0]}
    if args.adapter:
        unlearned = adapter.load(model, args.adapter)
        answers["unlearned"] = unlearned.answer([image], [args.question])[0]
    if not args.json:
        for name, text in answers.items():
            print(f"{name}: {text}")
    return {"question": args.question, **answers}
