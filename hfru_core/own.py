"""A person's own concept on their own model: what the model itself can say about it.

The words around a concept (other names, more general words, what it could be confused with) are
suggested by the model's decoder from text alone; a person edits them before anything is trained.
What a session teaches about a person's pictures is the model's own captions (self-distillation,
as HFRU does it, arXiv 2605.08031), the name replaced by the abstraction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from hfru_core import concepts as words
from hfru_core.data import load_image
from hfru_core.types import Concept, Sample, UnlearnData, UserError
from hfru_core.vlm import VLM, weights_digest

ASKED = {
    "aliases": "Which other words and names mean the same as '{name}'? Give a list with commas.",
    "abstractions": "What kind of thing is a {name}? Give one or two more general words.",
    "siblings": "Which five other things of that kind could be confused with a {name}? Give a "
    "list with commas.",
}
FALLBACK = {
    "object": ("thing", "object", "something"),
    "identity": ("someone I don't know", "someone", "person", "man", "woman"),
}
LONGEST = 3  # words of a name
MOST = 8  # names of a list


def suggest(vlm: VLM, name: str, kind: str = "object", cache: Path | None = None) -> Concept:
    """A concept with word lists to be edited: shipped ones where the name is known, else asked.

    What the decoder said is kept in the folder `cache`, so that it is asked once.
    """
    if not words.slug(name):
        raise UserError("The concept has no name: give a word such as 'garden gnome'.")
    if kind not in FALLBACK:
        raise UserError(f"A concept is of kind 'object' or 'identity', got '{kind}'.")
    known = words.shipped().get(words.slug(name))
    if known:
        return known
    if kind == "identity":  # No decoder is asked who looks like a person: it would invent.
        return listed(name.strip(), kind, {"aliases": name.split()})
    return listed(name.strip(), kind, said_about(vlm, name.strip(), cache))


def said_about(vlm: VLM, name: str, cache: Path | None) -> dict[str, list[str]]:
    """The decoder's lists of words about a name."""
    base = vlm.digest or weights_digest(vlm.core)
    file = cache / f"{words.slug(name)}-{base}.json" if cache else None
    if file and file.is_file():
        return json.loads(file.read_text(encoding="utf-8"))
    questions = [q.format(name=name) for q in ASKED.values()]
    answers = vlm.answer([None] * len(questions), questions, max_new=48)
    found = {field: names_in(text) for field, text in zip(ASKED, answers)}
    if file:
        cache.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found), encoding="utf-8")
    return found


def names_in(text: str) -> list[str]:
    """The short names that an answer lists: 'Sure: 1. a cat, 2. the lynx' -> cat, lynx."""
    text = re.sub(r"^.*\b(?:is|are)\b", "", text.rpartition(":")[2], flags=re.I)
    parts = re.split(r",|;|\n|\band\b|\bor\b|\d+[.)]|[•*]|\.\s", text)
    cleaned = (re.sub(r"^(?:an?|the)\s+|[.'\"]", "", p.strip(), flags=re.I) for p in parts)
    short = (p.strip().lower() for p in cleaned if 0 < len(p.split()) <= LONGEST)
    return list(dict.fromkeys(p for p in short if re.search(r"[a-z]", p)))[:MOST]


def listed(name: str, kind: str, found: dict[str, list[str]]) -> Concept:
    """A concept from lists that may overlap: a word counts for the first list that has it."""
    aliases = tuple(dict.fromkeys([name, *found.get("aliases", [])]))
    taken = {a.lower() for a in aliases}
    general = [w for w in found.get("abstractions", []) if w.lower() not in taken]
    general += [w for w in FALLBACK[kind] if w not in general and w.lower() not in taken]
    taken |= {w.lower() for w in general}
    siblings = [w for w in found.get("siblings", []) if w.lower() not in taken]
    concept = Concept(
        words.slug(name), name, kind, aliases, tuple(general), tuple(siblings), "a person's own"
    )
    return words.checked(concept, f"'{name}'")


def save(concept: Concept, folder: Path) -> Path:
    """Write the concept beside its pictures, where a `folder:` source finds it."""
    file = folder / "concept.json"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(concept), indent=2) + "\n", encoding="utf-8")
    return file


def distilled(vlm: VLM, data: UnlearnData, with_retain: bool) -> UnlearnData:
    """The data with the model's own answers as what is taught about training pictures.

    Retain pictures need them only where a session teaches answers about them (`with_retain`). On
    forget pictures the honest answer is the model's own, its name replaced by the abstraction;
    where the model does not name the concept, what the data says stays. Raises where it names it
    nowhere: there is nothing to forget.
    """
    taught = [
        s for s in data.samples
        if s.split == "train" and s.topic != "exists" and (with_retain or s.role == "forget")
    ]  # fmt: skip
    own = dict(zip((s.id for s in taught), answers(vlm, taught)))
    check_known(data, own)
    by_id = {c.id: c for c in (*data.concepts, *data.retained)}
    samples = tuple(
        told(s, own[s.id], by_id[s.concept_id], data.concepts) if own.get(s.id) else s
        for s in data.samples
    )
    return replace(data, samples=samples)


def check_known(data: UnlearnData, said: dict[str, str]) -> None:
    """Raise where no answer about a forget picture names a concept to be forgotten."""
    about = [said[s.id] for s in data.select("forget", "train") if s.id in said]
    if any(words.mentions(text, c.aliases) for text in about for c in data.concepts):
        return
    names = ", ".join(c.name for c in data.concepts)
    examples = "; ".join(dict.fromkeys(about[:3]))
    raise UserError(
        f"The model never says {names} about these {len(about)} questions, so there is nothing to "
        f"forget. It says, for example: {examples} - if one of these words means the concept, add "
        "it to the names that mean it."
    )


def answers(vlm: VLM, samples: Sequence[Sample]) -> list[str]:
    opened = {key: load_image(key) for key in dict.fromkeys(s.image for s in samples)}
    return vlm.answer([opened[s.image] for s in samples], [s.question for s in samples])


def told(sample: Sample, text: str, concept: Concept, forgotten: Sequence[Concept]) -> Sample:
    """A sample with the model's own answer, and that answer without the forgotten names."""
    if sample.role == "retain":
        return replace(sample, answer=text, safe_answer=text)
    if not words.mentions(text, concept.aliases):
        return sample
    safe = text
    for other in forgotten:
        safe = words.substitute(safe, other.aliases, other.abstractions[0])
    return replace(sample, answer=text, safe_answer=safe)
