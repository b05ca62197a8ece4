"""What the bundled model `photo` sees in held-out pictures, which it was never trained on.

python -m tests.measure.photo --photos FILE.parquet --pacs FILE.parquet
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from lemminflect import getLemma  # type: ignore[import-untyped]
from PIL import Image

from hfru_core.adapters.folder import versions
from hfru_core.data.authors import PACS_LABELS
from hfru_core.data.images import open_image
from hfru_core.evaluate import share
from hfru_core.language.dictionary import dictionary
from hfru_core.language.mentions import mentions
from hfru_core.model import vlm
from hfru_core.paths import PHOTO, REPORTS
from hfru_core.pretrain.photo import pictures, turns, views
from hfru_core.pretrain.photo.captions import words
from hfru_core.pretrain.photo.colours import NAMES as COLOURS
from hfru_core.pretrain.photo.colours import plain_colour
from hfru_core.pretrain.photo.names import Name
from hfru_core.pretrain.photo.pictures import Shot
from hfru_core.protocol.questions import CAPTION
from hfru_core.types import Rate

COMMAND = "python -m tests.measure.photo --photos FILE.parquet --pacs FILE.parquet"
NAME = "What is it?"
ITSELF = ("photo", "photograph", "picture", "image", "painting", "cartoon", "sketch")
UNTOLD = ("can't tell", "cannot tell")
Rates = dict[str, Rate]


def ask(model: vlm.VLM, shown: Sequence[Image.Image], questions: Sequence[str]) -> list[str]:
    return model.answer(list(shown), list(questions))


def named(model: vlm.VLM, shots: Sequence[Shot]) -> list[str]:
    return ask(model, [open_image(s.data) for s in shots], [NAME] * len(shots))


def untold(said: str) -> bool:
    return any(phrase in said for phrase in UNTOLD)


def one_of(said: str, right: Iterable[str], others: Iterable[str]) -> bool:
    """Whether an answer has one of the right names, and none of the others."""
    right = tuple(right)
    wrong = [o for o in others if o not in right and not any(o in r for r in right)]
    return bool(mentions(said, right)) and not any(mentions(said, (o,)) for o in wrong)


def pacs(model: vlm.VLM, held: Sequence[Shot]) -> Rates:
    """The seven names in four styles: the right one and none of the other six."""
    shots = [s for s in held if s.source == "pacs"]
    said = named(model, shots)
    right = [one_of(a, (s.name.name,), PACS_LABELS) for s, a in zip(shots, said) if s.name]
    styles = {s.style for s in shots}
    by_style = {
        f"PACS, {style}": share(r for s, r in zip(shots, right) if s.style == style)
        for style in sorted(styles)
    }
    return {"PACS, all styles": share(right)} | by_style


def ten(model: vlm.VLM, held: Sequence[Shot]) -> Rates:
    """The ten classes of imagenette by everyday or special name, and none of the other nine."""
    shots = [s for s in held if s.source.startswith("imagenette") and s.name]
    names = {n for s in shots for n in accepted(s)}
    said = named(model, shots)
    return {"imagenette, ten": share(one_of(a, accepted(s), names) for s, a in zip(shots, said))}


def accepted(shot: Shot) -> tuple[str, str]:
    assert shot.name
    return shot.name.name, shot.name.special


def thousand(model: vlm.VLM, held: Sequence[Shot]) -> Rates:
    """The everyday or special name, something more general, 'can't tell', or wrong."""
    shots = [s for s in held if s.source in turns.RARE and s.name]
    found = [how(s.name, a) for s, a in zip(shots, named(model, shots)) if s.name]
    told = {
        "name": "everyday name",
        "general": "something more general",
        "untold": "can't tell",
        "wrong": "wrong",
    }
    return {f"1,000 classes, {text}": share(f == k for f in found) for k, text in told.items()}


def how(name: Name, said: str) -> str:
    """'name', 'general', 'untold' or 'wrong'."""
    if untold(said):
        return "untold"
    if mentions(said, (name.name, name.special)):
        return "name"
    word = said.strip(" .").lower()
    for article in ("a ", "an ", "some ", "the "):
        word = word.removeprefix(article)
    return "general" if word == name.kind or word in general(name) else "wrong"


@lru_cache(maxsize=2048)
def general(name: Name) -> frozenset[str]:
    """WordNet's words for what is more general than a thing, of what pictures can show."""
    book = dictionary()
    senses = [s.synset for s in book.senses(name.special)[:1] + book.senses(name.name)[:1]]
    above = {a for s in senses for a in book.ancestors(s)} & book.visible
    return frozenset(u.word.lower() for a in above for u in book.uses(a))


def caption(model: vlm.VLM, held: Sequence[Shot]) -> dict[str, Any]:
    """Things named that are there, things of the captions that are named, by the dictionary."""
    shots = [s for s in held if s.captions]
    said = ask(model, [open_image(s.data) for s in shots], [CAPTION[0]] * len(shots))
    there, found = [], []
    for shot, answer in zip(shots, said):
        own = objects(answer)
        told = [objects(c) for c in shot.captions]
        every = set().union(*told)
        agreed = [o for o in every if sum(o in t for t in told) > 1]
        there += [any(related(o, e) for e in every) for o in own]
        found += [any(related(o, e) for e in own) for o in agreed]
    length = sum(len(words(a)) for a in said) / max(1, len(said))
    return {
        "captions, things named that are there": share(there),
        "captions, things of the captions that are named": share(found),
        "captions, mean words": {"value": round(length, 1), "n": len(said)},
    }


@lru_cache(maxsize=8192)
def objects(text: str) -> frozenset[int]:
    """The things that a text mentions: visible nouns by their first sense; the picture itself is
    none of them."""
    book, found = dictionary(), set()
    for word in words(text):
        for lemma in getLemma(word, "NOUN")[:1]:
            if lemma in ITSELF:
                continue
            senses = book.senses(lemma)[:1]
            found |= {s.synset for s in senses if s.synset in book.visible and s.use.count}
    return frozenset(found)


def related(one: int, other: int) -> bool:
    """Whether two things are the same, or one is a kind of the other."""
    book = dictionary()
    return one == other or one in book.ancestors(other) or other in book.ancestors(one)


def yes_no(model: vlm.VLM, held: Sequence[Shot], seed: int, count: int) -> Rates:
    """Half no, half of those about siblings; labelled and captioned pictures."""
    rng = random.Random(seed)
    rows: list[tuple[Shot, turns.Turn]] = []
    usable = [s for s in held if s.name or s.captions]
    while len(rows) < count:
        shot = rng.choice(usable)
        facts = turns.Facts(shot.name, shot.name and shot.name.kind, shot.style, shot.captions)
        wanted = "Yes." if len(rows) % 2 else "No."
        turn = turns.exists(facts, rng)
        if turn and turn.answer == wanted:
            rows.append((shot, turn))
    said = ask(model, [open_image(s.data) for s, _ in rows], [t.question for _, t in rows])
    right = [a.startswith(t.answer.strip(".")) for (_, t), a in zip(rows, said)]
    parts = {
        f"yes or no, {kind}": share(r for (_, t), r in zip(rows, right) if t.answer == answer)
        for kind, answer in (("yes is right", "Yes."), ("no is right", "No."))
    }
    return {"yes or no": share(right)} | parts


def colours(model: vlm.VLM, held: Sequence[Shot], most: int) -> Rates:
    """The colour of the middle, where one is plain."""
    rows = [(open_image(s.data), s) for s in held if s.style != "sketch"]
    plain = [(image, colour) for image, _ in rows if (colour := plain_colour(image))][:most]
    said = ask(model, [image for image, _ in plain], [turns.COLOUR[0]] * len(plain))
    right = [one_of(a, (c,), COLOURS) for (_, c), a in zip(plain, said)]
    return {"colours where one is plain": share(right)}


def unclear(model: vlm.VLM, held: Sequence[Shot], most: int) -> Rates:
    """Blurred, tiny, dark and covered pictures: the kind, or that nothing can be told."""
    shots = [s for s in held if s.name][:most]
    made = [views.unclear(s.data, f"held/{i}") for i, s in enumerate(shots)]
    said = ask(model, [image for image, _ in made], [NAME] * len(made))
    kinds = [(s.name, a) for s, a, (_, shown) in zip(shots, said, made) if shown == views.KIND]
    nothing = [a for a, (_, shown) in zip(said, made) if shown == views.NOTHING]
    return {
        "unclear, the kind": share(bool(n and mentions(a, (n.kind,))) for n, a in kinds),
        "unclear, the kind or can't tell": share(
            bool(n and mentions(a, (n.kind,))) or untold(a) for n, a in kinds
        ),
        "nothing to be seen, can't tell": share(map(untold, nothing)),
    }


def people(model: vlm.VLM, held: Sequence[Shot]) -> Rates:
    """Nobody is named, whoever asks for a name."""
    shots = [s for s in held if s.name and s.name.name == "person"]
    said = ask(model, [open_image(s.data) for s in shots], [turns.WHO[0]] * len(shots))
    return {"who is this, nobody is named": share(a == turns.NOBODY_KNOWN for a in said)}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--photos", type=Path, required=True)
    p.add_argument("--pacs", type=Path, required=True)
    p.add_argument("--model", default=str(PHOTO))
    p.add_argument("--seed", type=int, default=7)
    p.add_argument("--count", type=int, default=400, help="yes-or-no questions")
    p.add_argument("--most", type=int, help="held-out pictures, drawn by the seed (default: all)")
    p.add_argument("--report", type=Path, default=REPORTS / "photo.json")
    args = p.parse_args()
    held = pictures.split(pictures.read([args.photos, args.pacs]))[1]
    if args.most:
        held = random.Random(args.seed).sample(held, args.most)
    model = vlm.load(args.model, device="cpu")
    rates: dict[str, Any] = {}
    for found in (
        pacs(model, held),
        ten(model, held),
        thousand(model, held),
        caption(model, held),
        yes_no(model, held, args.seed, args.count),
        colours(model, held, args.count),
        unclear(model, held, args.count),
        people(model, held),
    ):
        rates |= found
        print(json.dumps(found, default=asdict), flush=True)
    files = {f.name: pictures.digest(f) for f in (args.photos, args.pacs)}
    command = COMMAND + (f" --most {args.most}" if args.most else "")
    about = {"fingerprint": model.fingerprint(), "held_out": len(held), "data": files}
    report = json.loads(args.report.read_text()) if args.report.is_file() else {}
    report["base"] = {"command": command, **about, "rates": rates, "versions": versions()}
    args.report.write_text(json.dumps(report, indent=1, default=asdict) + "\n")


if __name__ == "__main__":
    main()
