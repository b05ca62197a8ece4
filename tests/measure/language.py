"""How well answers are judged, and how well the dictionary's word lists find things in captions.

    python -m tests.measure.language --data FOLDER --report assets/reports/language.json

FOLDER holds `judged.jsonl` with `concepts.json` (answers and what they are), `captions.jsonl`
(captions of COCO images by four models, from the repository of POPE, arXiv 2305.10355) and
`chair-synonyms.txt` (the object words of CHAIR, arXiv 1809.02156, a line an object). A concept is
made from COCO's name of an object alone; the truth of a caption is what CHAIR's words find in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hfru_core.data.custom_concept import FALLBACK, suggest
from hfru_core.language.dictionary import key
from hfru_core.language.inflection import numbers
from hfru_core.protocol.judge import judge, stated
from hfru_core.stats import wilson
from hfru_core.types import Concept, UserError
from tests.core.protocol.test_judge import answers, concept_of

ASKED = ("named", "hallucinated", "abstract", "refused", "degenerate")
HERE = Path(__file__).parent
HALVES = ("seen", "unseen")  # by a hash of the picture's number
# The 120 answers as judged before anything was changed for them (noted by hand).
FIRST_CONTACT = {"right": 108, "n": 120}
FEWEST = 30  # captions with an object, to count it
# What CHAIR takes for another thing, beside its objects.
UNITS = ("train car", "wine glass", "toilet seat", "bow tie", "hot dog", "teddy bear")


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def wrong_answers(rows: Iterator[tuple[dict[str, Any], Concept]]) -> dict[str, Any]:
    """How many answers are right in every field that was asked, and those that are not."""
    wrong, n = [], 0
    for row, concept in rows:
        n += 1
        present = tuple(row.get("present", ()))
        found = judge(row["text"], concept, row["topic"], present, complete="present" in row)
        if any(row.get(k) is not None and getattr(found, k) != row[k] for k in ASKED):
            wrong.append(row["text"])
    low, high = wilson(n - len(wrong), n)
    return {"right": n - len(wrong), "n": n, "low": low, "high": high, "wrong": wrong}


def given_answers(folder: Path) -> Iterator[tuple[dict[str, Any], Concept]]:
    concepts = json.loads((folder / "concepts.json").read_text(encoding="utf-8"))
    for row in rows_of(folder / "judged.jsonl"):
        yield row, concept_of(concepts[row["concept"]])


class Chair:
    """CHAIR's object words, matched as its code does: singular words, pairs before single ones."""

    def __init__(self, file: Path) -> None:
        lines = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines() if line]
        self.objects = [line[0].strip() for line in lines]
        self.named = {w.strip(): line[0].strip() for line in reversed(lines) for w in line}
        self.words = {part for name in (*self.named, *UNITS) for part in name.split()}

    def objects_in(self, caption: str) -> dict[str, set[str]]:
        """The objects in a caption, with the words for each."""
        said = [self.single(w) for w in re.findall(r"[a-z]+", caption.lower())]
        found: dict[str, set[str]] = {}
        at = 0
        while at < len(said):
            pair = " ".join(said[at : at + 2])
            unit = pair if pair in self.named or pair in UNITS else said[at]
            if unit in self.named:
                found.setdefault(self.named[unit], set()).add(unit)
            at += len(unit.split())
        return found

    def single(self, word: str) -> str:
        """A word in the form that the list has."""
        return word if word in self.words else known_form(word, frozenset(self.words))


@lru_cache(maxsize=65536)
def known_form(word: str, known: frozenset[str]) -> str:
    return next((f for f in numbers(word) if f in known), word)


def captions_table(folder: Path) -> dict[str, Any]:
    """How each object's own word lists find it, in either half of the pictures and in all.

    The project's word lists were chosen on the half "seen"; "unseen" is the other.
    """
    chair = Chair(folder / "chair-synonyms.txt")
    rows = rows_of(folder / "captions.jsonl")
    truth = [chair.objects_in(row["text"]) for row in rows]
    often = Counter(o for objects in truth for o in objects)
    names = [o for o in chair.objects if often[o] >= FEWEST]
    found = {name: found_in(rows, truth, name) for name in tqdm(names, desc="objects")}
    halves = [HALVES[half(str(row["image_id"]))] for row in rows]
    parts = {h: [i for i, x in enumerate(halves) if x == h] for h in HALVES}
    table = {name: rates(cells) for name, cells in found.items()}
    by_half = {
        h: means([rates([cells[i] for i in at]) for cells in found.values()]) | {"n": len(at)}
        for h, at in parts.items()
    }
    return {
        "captions": len(rows), "objects": len(table), **means(list(table.values())),
        "by_half": by_half, "by_object": table,
    }  # fmt: skip


def half(image: str) -> int:
    return hashlib.sha256(image.encode()).digest()[0] % 2


def found_in(
    rows: Sequence[dict[str, Any]], truth: Sequence[dict[str, set[str]]], name: str
) -> Any:
    """For each caption: whether the lists find the object, the truth finds it, and by a word that
    is no general one in the lists ("table" for a dining table)."""
    try:
        concept = suggest(name)
    except UserError:
        return [(False, name in t, name in t) for t in truth]
    general = {key(w) for w in concept.abstractions}
    return [
        (
            stated(row["text"], concept.aliases, concept.abstractions) > 0,
            name in t,
            any(key(w) not in general for w in t.get(name, ())),
        )
        for row, t in zip(rows, truth)
    ]


def rates(cells: Sequence[tuple[bool, bool, bool]]) -> dict[str, Any]:
    said, there, special = (sum(c[k] for c in cells) for k in range(3))
    both = sum(s and t for s, t, _ in cells)
    return {
        "n": there,
        "recall": both / there if there else None,
        "recall_of_names": sum(s and x for s, _, x in cells) / special if special else None,
        "precision": both / said if said else 0.0,
    }


def means(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The means over the objects that have a value; lists that find nothing have precision 0."""
    return {
        k: mean([r[k] for r in found if r[k] is not None])
        for k in ("recall", "recall_of_names", "precision")
    }


def nouns_table() -> dict[str, Any]:
    """How many words of the lists that the dictionary gives 40 nouns are right, as `nouns.json`
    has them judged by hand; words that are not in it are not judged."""
    judged = json.loads((HERE / "nouns.json").read_text(encoding="utf-8"))
    fields = ("aliases", "abstractions", "siblings")
    counts = {f: Counter[str]() for f in fields}
    for noun, lists in judged.items():
        for field in fields:
            words = [w for w in getattr(suggest(noun), field) if w not in FALLBACK["object"]]
            said = {w: kind for kind, known in lists[field].items() for w in known}
            counts[field].update(said.get(w, "not_judged") for w in words)
    counts["all"] = sum(counts.values(), Counter[str]())
    return {"nouns": len(judged)} | {f: noun_rate(c) for f, c in counts.items()}


def noun_rate(count: Counter[str]) -> dict[str, Any]:
    n = count["right"] + count["wrong"]
    low, high = wilson(count["right"], n)
    found = {"right": count["right"], "n": n, "low": low, "high": high}
    return found | {"not_judged": count["not_judged"]}


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the judge and the word lists.")
    parser.add_argument("--data", type=Path, required=True, help="folder of answers and captions")
    parser.add_argument("--report", type=Path, required=True, help="JSON file to write")
    args = parser.parse_args()
    report = {
        "command": "python -m tests.measure.language --data FOLDER",
        "judged": wrong_answers(given_answers(args.data)),
        "own_answers": wrong_answers(answers()),
        "unseen_answers": wrong_answers(answers("unseen")) | {"first_contact": FIRST_CONTACT},
        "nouns": nouns_table(),
        "captions": captions_table(args.data),
    }
    args.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for name in ("judged", "own_answers", "unseen_answers"):
        print(f"{name}: {report[name]['right']} of {report[name]['n']} right")
    print(report["nouns"])
    print({k: v for k, v in report["captions"].items() if k != "by_object"})


if __name__ == "__main__":
    main()
