"""The command `suggest`: word lists for a concept of one's own, beside where its images belong."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hfru_core.cli.options import add_model, load_model


def add_options(p: argparse.ArgumentParser) -> None:
    p.description = (
        "Ask the model for the words around a concept and write them to FOLDER/concept.json, to be "
        "edited. Put 4 or more images into the same folder, then: unlearn --data folder:PARENT."
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
    add_model(p)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the concept, and say what is to be done with it."""
    from hfru_core.data import custom_concept

    concept = custom_concept.suggest(load_model(args), args.name, args.kind)
    file = custom_concept.save(concept, args.out / concept.id)
    if not args.json:
        print(f"{file}: check the words, put 4 or more images beside it.")
    return {"file": str(file), **asdict(concept)}
