"""What a model of the bundled architecture can do, on freshly drawn pictures.

python -m tests.measure.base_accuracy --seed 2000 --report assets/reports/base.json
python -m tests.measure.base_accuracy --data pacs:FILE.parquet --model runs/pacs
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import asdict
from pathlib import Path

from hfru_core.adapters import folder
from hfru_core.data import drawn as dataset
from hfru_core.data.photo_source import Photos
from hfru_core.data.source import load_image, parse_source
from hfru_core.evaluate import share
from hfru_core.language.mentions import mentions
from hfru_core.model import vlm
from hfru_core.paths import MODEL
from hfru_core.protocol.answers import PEOPLE_NAMES, true_names
from hfru_core.protocol.questions import about_for, ask, text_turns
from hfru_core.world.scenes import CLASSES, colour_visible


def questions(seed: int, count: int) -> dict[str, list[tuple[str | None, str, str]]]:
    """(key, question, right answer) for every measure."""
    rng = random.Random(seed)
    measures = ("object", "object, alone", "identity", "colour", "place", "yes_no", "abstraction")
    rows: dict[str, list] = {m: [] for m in measures}
    for i in range(count):
        for measure, subjects in (("object", CLASSES), ("identity", PEOPLE_NAMES)):
            key = dataset.key_of(seed, "eval", subjects[i % len(subjects)], i)
            picture = dataset.picture_of(key)
            rows[measure].append((key, *ask(picture, "name")[2:]))
            if measure == "object" and len(picture.things) == 1:
                rows["object, alone"].append(rows[measure][-1])
            rows["place"].append((key, *ask(picture, "place")[2:]))
            if measure == "identity" or (colour_visible(picture) and len(picture.things) == 1):
                rows["colour"].append((key, *ask(picture, "colour")[2:]))
            about, yes = true_names(picture)[0], i % 2 == 0
            while not yes and about in true_names(picture):
                about = about_for(picture, rng, frozenset())
            turn = ask(picture, "exists", about=about)
            if turn.answer in ("Yes.", "No."):
                rows["yes_no"].append((key, *turn[2:]))
        key = dataset.key_of(seed, "eval", ("ambiguous", "stranger")[i % 2], i)
        rows["abstraction"].append((key, *ask(dataset.picture_of(key), "name")[2:]))
    rows["facts"] = [(None, t.question, t.answer) for t in text_turns()]
    return rows


def photo_questions(source: Photos) -> dict[str, list[tuple[str | None, str, str]]]:
    """The same for real pictures: all that are kept from training, and each style."""
    held = [p for p in source.read() if p.held_out]
    rows: dict[str, list] = {"all": [(p.key, *ask(p, "name")[2:]) for p in held]}
    for style in sorted({p.style for p in held if p.style}):
        rows[style] = [(p.key, *ask(p, "name")[2:]) for p in held if p.style == style]
    return rows


def right(measure: str, wanted: str, said: str) -> bool:
    """Objects and people: every true name and no other; the rest word for word."""
    if measure not in ("object", "object, alone", "identity"):
        return said == wanted
    names = (*CLASSES, *PEOPLE_NAMES)
    return all(mentions(said, (n,)) == mentions(wanted, (n,)) for n in names)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--model", default=str(MODEL))
    p.add_argument("--data", default="world", help="world, pacs:FILE.parquet or folder:DIR")
    p.add_argument("--seed", type=int, default=2000)
    p.add_argument("--pictures", type=int, default=480, help="pictures of each kind")
    p.add_argument("--report", type=Path)
    args = p.parse_args()
    model = vlm.load(args.model)
    rates = {}
    chosen = parse_source(args.data)
    photos = isinstance(chosen, Photos)
    asked = photo_questions(chosen) if photos else questions(args.seed, args.pictures)
    for measure, rows in asked.items():
        images = [load_image(k) if k else None for k, _, _ in rows]
        said = model.answer(images, [q for _, q, _ in rows])
        rates[measure] = asdict(share(right(measure, w, s) for (_, _, w), s in zip(rows, said)))
    source = f"{chosen.kind}, held-out" if photos else f"world:{args.seed}"
    result = {"data": source, "rates": rates, "versions": folder.versions()}
    if args.report:
        args.report.parent.mkdir(parents=True, exist_ok=True)
        args.report.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
