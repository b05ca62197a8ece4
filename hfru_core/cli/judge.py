"""The command `judge`: what answers say about concepts, of a model that runs anywhere."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hfru_core.types import Concept, UserError

FIELDS = ("concept", "topic", "text")
JUDGED = ("named", "hallucinated", "abstract", "refused", "degenerate")
MOST_BYTES = 2**20  # of a line


def add_options(p: argparse.ArgumentParser) -> None:
    p.description = (
        "Judge answers by rule. ANSWERS has a JSON object a line: concept (a key of FILE), topic "
        "(exists where the question was whether the concept is there; else describe, name, ...), "
        "text, and, where it is known, present: a list of all that is in the picture. The same "
        "rows come out with named, hallucinated, abstract, refused, degenerate and the evidence."
    )
    p.add_argument("answers", type=Path, metavar="ANSWERS.jsonl")
    p.add_argument(
        "--concepts",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="concepts by key, each with name, kind, aliases, abstractions and siblings",
    )
    p.add_argument("--judge", metavar="MODEL", help="ask this model too, a folder or Hub id")
    p.add_argument("--json", action="store_true", help="add a summary as the last line")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print the judged rows; the summary is what `--json` prints last."""
    from hfru_core.protocol.judge import judge

    concepts, judged = read_concepts(args.concepts), []
    for number, row in rows(args.answers):
        if row["concept"] not in concepts:
            raise UserError(
                f"{args.answers}, line {number}: '{row['concept']:.80}' is no concept of "
                f"{args.concepts}: {', '.join(concepts)}."
            )
        present = row.get("present")
        concept = concepts[row["concept"]]
        found = judge(
            row["text"],
            concept,
            row["topic"],
            tuple(present or ()),
            complete=present is not None,
            others=names_of_others(concept, concepts, tuple(present or ())),
        )
        judged.append({**row, **told(asdict(found))})
    if args.judge:
        add_opinions(args.judge, judged, concepts)
    for row in judged:
        print(json.dumps(row, ensure_ascii=False))
    unjudged = sum(bool(row["problem"]) for row in judged)
    if unjudged:
        print(f"{unjudged} of {len(judged)} answers are not judged: see problem", file=sys.stderr)
    return summary(judged)


def names_of_others(
    concept: Concept, concepts: dict[str, Concept], present: tuple[str, ...]
) -> tuple[str, ...]:
    """The names of the other things in FILE that are not in the picture and are not this one by
    another name: what other languages than English know of hallucinations."""
    from hfru_core.language.mentions import mentions

    own = (*concept.aliases, *concept.abstractions)
    there = " . ".join((*present, *own))
    absent = (c for c in concepts.values() if not mentions(there, c.aliases))
    return tuple(w for c in absent if c.kind == concept.kind for w in c.aliases)


def told(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict as fields of a row."""
    evidence = {k: verdict[k] for k in ("names", "wrong", "general", "yes")}
    return {**{k: verdict[k] for k in JUDGED}, "evidence": evidence, "problem": verdict["problem"]}


def rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows with their numbers; raises at the first that is none."""
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, row_of(line, f"{file}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"'{file}' cannot be read: {error}.") from None


def row_of(line: str, where: str) -> dict[str, Any]:
    if len(line) > MOST_BYTES:
        raise UserError(f"{where}: more than {MOST_BYTES} letters.")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error}).") from None
    if not isinstance(row, dict) or not all(isinstance(row.get(f), str) for f in FIELDS):
        raise UserError(f"{where}: expected an object with the texts {', '.join(FIELDS)}.")
    present = row.get("present")
    if present is not None and not (
        isinstance(present, list) and all(isinstance(p, str) for p in present)
    ):
        raise UserError(f"{where}: present must be a list of names.")
    return row


def read_concepts(file: Path) -> dict[str, Concept]:
    """Concepts by their keys; an id and a source may be left out."""
    from hfru_core.concepts import from_dict
    from hfru_core.files import read_json

    values = read_json(file)
    if not isinstance(values, dict) or not all(isinstance(v, dict) for v in values.values()):
        raise UserError(f"{file}: expected an object of concepts by key.")
    return {
        key: from_dict({"id": key, "source": "", **value}, f"{file}, {key}")
        for key, value in values.items()
    }


def add_opinions(model: str, judged: list[dict[str, Any]], concepts: dict[str, Concept]) -> None:
    """Add what a language model says to the same question, as `asked`."""
    from hfru_core.language.replies import said_yes
    from hfru_core.model.vlm import load

    vlm = load(model)
    questions = [
        f'Someone said about a picture: "{row["text"]}" Does this say that the picture shows '
        f"{concepts[row['concept']].name}? Answer yes or no."
        for row in judged
    ]
    for row, answer in zip(judged, vlm.answer([None] * len(questions), questions)):
        row["asked"] = said_yes(answer)


def summary(judged: list[dict[str, Any]]) -> dict[str, Any]:
    """How many answers do what, of those that were judged."""
    counts: dict[str, Any] = {"n": len(judged), "unjudged": sum(bool(r["problem"]) for r in judged)}
    counts |= {k: sum(bool(r[k]) for r in judged) for k in JUDGED}
    both = [r for r in judged if "asked" in r and r["named"] is not None]
    if both:
        counts["agreement"] = sum(r["asked"] == r["named"] for r in both) / len(both)
    return counts
