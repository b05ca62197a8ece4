"""The command `suggest`: word lists for a concept of one's own, beside where its images belong."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any


def add_options(p: argparse.ArgumentParser) -> None:
    p.description = (
        "Look up the words around a concept in the dictionary (WordNet) and write them to "
        "FOLDER/concept.json, to be edited. Put 4 or more images into the same folder, then: "
        "unlearn --data folder:PARENT."
    )
    p.add_argument("name", help="the concept's name, such as 'garden gnome'")
    p.add_argument("--kind", default="object", choices=["object", "identity"])
    p.add_argument("--sense", type=int, metavar="N", help="another sense of the word, by number")
    p.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="PARENT",
        help="concept.json goes into PARENT/<name>/",
    )
    p.add_argument("--json", action="store_true", help="print the concept as JSON")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the concept, and say what is to be done with it."""
    from hfru_core.data import custom_concept
    from hfru_core.language import wordlists

    concept = custom_concept.suggest(args.name, args.kind, args.sense)
    file = custom_concept.save(concept, args.out / concept.id)
    if not args.json:
        found = wordlists.senses(args.name) if args.kind == "object" else []
        for number, sense in enumerate(found, 1):
            print(f"sense {number}: {sense.gloss}")
        print(f"{file}: check the words, put 4 or more images beside it.")
    return {"file": str(file), **asdict(concept)}
