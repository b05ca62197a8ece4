"""MLLMU-Bench, UMU-Bench, CLEAR as concepts and samples: `mllmu:DIR` (`benchmark_people.py`).

About each image the protocol's questions are asked, and the benchmark's own. Where one of these
is about the person's life, and not about who it is, its topic is 'profile': who does not recognise
the face cannot answer it, and a right answer need not name anybody. Questions in words alone are
facts, which stay known about everybody.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import pyarrow
from PIL import Image

from hfru_core.data.benchmark_parquet import TITLES, Asked, Person, View, bad, bytes_of
from hfru_core.data.collection import tell
from hfru_core.data.images import open_image
from hfru_core.data.parquet_file import cell
from hfru_core.data.samples import PROTOCOL, Amount, text_sample
from hfru_core.language.mentions import mentions
from hfru_core.language.replies import said_yes
from hfru_core.language.rewriting import substitute
from hfru_core.protocol.answers import STRANGER
from hfru_core.protocol.questions import ask
from hfru_core.types import Concept, Photo, Role, Sample, Split, UserError

EVERYBODY = "all"
SAFE = {"exists": "No.", "name": f"This is {STRANGER}.", "profile": "I don't know this person."}
People = dict[str, Person]  # by id
ABSTRACTIONS = (STRANGER, "someone", "a person", "person", "man", "woman")


def known_concepts(kind: str, everybody: People) -> dict[str, Concept]:
    """Everybody of a benchmark by id, and "all": the whole forget split."""
    title = TITLES[kind]
    names = [p.name for p in everybody.values()]
    unclear = unclear_words(everybody)
    found = {}
    for id, person in everybody.items():
        last = person.name.split()[-1]
        aliases = (person.name,) if last.lower() in unclear else (person.name, last)
        others = tuple(n for n in names if n != person.name)
        found[id] = Concept(
            id, person.name, "identity", tuple(dict.fromkeys(aliases)), ABSTRACTIONS, others, title
        )
    gone = tuple(p.name for p in everybody.values() if p.can_go)
    kept = tuple(p.name for p in everybody.values() if not p.can_go)
    whole = Concept(EVERYBODY, EVERYBODY, "identity", gone, ABSTRACTIONS, kept, title)
    return {**found, EVERYBODY: whole}


def unclear_words(everybody: People) -> set[str]:
    """Words that name nobody alone: those of several names, and ordinary ones such as 'white'."""
    parts = Counter(w.lower() for p in everybody.values() for w in set(p.name.split()))
    views = [v for p in everybody.values() for v in p.train]
    texts = [t for v in views for t in (*v.captions, *(a.answer for a in v.asked))]
    texts += [a.answer for p in everybody.values() for a in p.facts]
    ordinary = {w for text in texts for w in re.findall(r"(?<!\w)[a-z]+(?!\w)", text)}
    general = {w.lower() for text in ABSTRACTIONS for w in text.split()}
    return {w for w, n in parts.items() if n > 1 or w in ordinary | general}


def request(
    everybody: People,
    known: dict[str, Concept],
    forget: Sequence[Concept],
    retain: Sequence[Concept],
) -> tuple[tuple[Concept, ...], tuple[Concept, ...], dict[str, Concept]]:
    """Whom to forget and to retain, and who is known, with "all" spelled out.

    Those forgotten are no siblings of each other: an answer that names one is counted as that.
    """
    known = {i: c for i, c in known.items() if i != EVERYBODY}
    if EVERYBODY in {c.id for c in forget}:
        whole = [c for i, c in known.items() if everybody[i].can_go]
        forget = list({c.id: c for c in (*forget, *whole) if c.id != EVERYBODY}.values())
    names = {c.name for c in forget}
    forget = [replace(c, siblings=tuple(s for s in c.siblings if s not in names)) for c in forget]
    known |= {c.id: c for c in forget if c.id in known}
    return tuple(forget), tuple(known.get(c.id, c) for c in retain if c.id != EVERYBODY), known


def samples(
    everybody: People,
    forget: Sequence[Concept],
    retain: Sequence[Concept],
    amount: Amount,
    seed: int,
) -> list[Sample]:
    """Every question about so many images of each role and split, and as many facts."""
    out: list[Sample] = []
    groups: tuple[tuple[Role, Sequence[Concept]], ...] = (("forget", forget), ("retain", retain))
    splits: tuple[Split, ...] = ("train", "eval")
    for role, group in groups:
        for split in splits:
            rng = random.Random(f"{seed}/{role}/{split}")
            views = [[(c, v) for v in everybody[c.id].views(split)] for c in group]
            for concept, view in spread(views, amount.of(role, split), rng):
                out += about(concept, view, role, split, forget)
        asked = [[(c, a) for a in facts_of(everybody[c.id], "eval")] for c in group]
        rng = random.Random(f"{seed}/{role}/facts")
        facts = spread(asked, amount.of(role, "eval"), rng)
        out += [fact(concept, asked, "eval") for concept, asked in facts]
    return out


def text_examples(everybody: People, concepts: Sequence[Concept]) -> tuple[Sample, ...]:
    """What is known in words of people, as far as it is left for training."""
    return tuple(fact(c, a, "train") for c in concepts for a in facts_of(everybody[c.id], "train"))


def facts_of(person: Person, split: Split) -> list[Asked]:
    """Of three questions in words the third is for training, the others are measured on."""
    return [a for i, a in enumerate(person.facts) if (i % 3 == 2) == (split == "train")]


def check_people(
    source: str, everybody: People, forget: Sequence[Concept], retain: Sequence[Concept]
) -> None:
    """Raise where somebody cannot be forgotten, or nothing would decide what is retained."""
    for person in (everybody[c.id] for c in forget):
        if not person.can_go:
            wanted = ", ".join(p.name for p in everybody.values() if p.can_go)
            way = "Name people of the forget split, or give another split as DIR/forget_..."
            raise bad(source, f"one of {wanted}", f"{person.name}, of the retain split", way)
        if not (person.train and person.eval):
            got = f"{len(person.train)} to learn from and {len(person.eval)} to be judged on"
            way = "Put Test_Set, which has other pictures, beside the split, or name others."
            raise bad(source, f"two pictures of {person.name} or more", got, way)
    splits: tuple[Split, ...] = ("train", "eval")
    for split in splits:
        if not any(everybody[c.id].views(split) for c in retain):
            way = "Retain more people, or put Test_Set beside the split."
            raise bad(source, f"pictures for {split} of somebody who is retained", "none", way)


def spread(lists: Sequence[list], count: int, rng: random.Random) -> list:
    """So many from the lists in turn, each in an order of chance; fewer where there are fewer."""
    mixed = [rng.sample(part, len(part)) for part in rng.sample(lists, len(lists))]
    return [x for turn in zip_longest(*mixed) for x in turn if x is not None][:count]


def about(
    concept: Concept, view: View, role: Role, split: Split, forget: Sequence[Concept]
) -> list[Sample]:
    """The protocol's questions about an image, and the benchmark's own."""
    turns = [*protocol(concept, view)]
    turns += [(topic_of(a, concept), a.question, a.answer) for a in view.asked]
    return [
        Sample(
            id=f"{view.key}?{role}/{topic}/{number}",
            image=view.key,
            question=question,
            topic=topic,
            answer=answer,
            concept_id=concept.id,
            role=role,
            split=split,
            safe_answer=safe(topic, answer, concept, forget) if role == "forget" else answer,
            names=(concept.name,),
        )
        for number, (topic, question, answer) in enumerate(turns)
    ]


def protocol(concept: Concept, view: View) -> list[tuple[str, str, str]]:
    """The protocol's four topics; captions that name the person are the better answers."""
    photo = Photo(view.key, concept.name, STRANGER, None, identity=True)
    said = dict(zip(("caption", "describe"), view.captions))
    turns = []
    for topic in PROTOCOL:
        turn = ask(photo, topic, about=concept.name if topic == "exists" else None)
        caption = said.get(topic, "")
        named = mentions(caption, concept.aliases) > 0
        turns.append((topic, turn.question, caption if named else turn.answer))
    return turns


def topic_of(asked: Asked, concept: Concept) -> str:
    """The protocol's topic where the right answer shows who it is, else 'profile'."""
    if mentions(asked.question, concept.aliases):
        return "exists" if said_yes(asked.answer) else "profile"
    if not mentions(asked.answer, concept.aliases):
        return "profile"
    if re.search(r"\bwho\b|\bnames?\b|\bidentify\b", asked.question, re.I):
        return "name"
    looks = re.search(r"\bdescribe\b|\bcaption\b|\bsee\b|\bdepicted\b", asked.question, re.I)
    return "describe" if looks else "profile"


def safe(topic: str, answer: str, concept: Concept, forget: Sequence[Concept]) -> str:
    """What somebody says who sees what is there, and does not recognise the person."""
    if topic in SAFE:
        return SAFE[topic]
    for other in forget:
        answer = substitute(answer, other.aliases, STRANGER)
    # First names, and surnames that are no aliases: by their capital, since 'white' may stay.
    parts = [re.escape(p) for p in concept.name.split() if len(p) > 1 and p[0].isupper()]
    hidden = re.sub(rf"(?<!\w)(?:{'|'.join(parts) or '(?!)'})(?!\w)", STRANGER, answer)
    return hidden[:1].upper() + hidden[1:]


def fact(concept: Concept, asked: Asked, split: Split) -> Sample:
    """A question in words: what is known of a person there stays, forgotten or not."""
    return text_sample(asked.question, asked.answer, "fact", concept.id, split, f"{concept.id}/")


def load_image(key: str) -> Image.Image:
    """The image behind a key `mllmu:FILE#ROW`, or `#ROW.NUMBER` where a row has several."""
    path, _, place = key.partition(":")[2].rpartition("#")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", place):
        raise bad(path, "the number of a picture after #", place)
    row, _, number = place.partition(".")
    try:
        value = cell(path, int(row), "images" if number else "image")
        data = bytes_of(value[int(number)] if number else value)
        if data is None:
            raise KeyError("bytes")
    except (pyarrow.ArrowException, OSError) as error:
        raise bad(path, "a parquet file", error) from None
    except (IndexError, KeyError, TypeError):
        raise bad(path, f"a picture with number {place}", "none there") from None
    return open_image(data, f"'{Path(path).name}#{place}'")


def readable_only(where: str, samples: Sequence[Sample]) -> list[Sample]:
    """The samples without those of pictures that cannot be read, which are named.

    Raises where nothing is left of a role and split.
    """
    bad: dict[str, str] = {}
    for key in dict.fromkeys(s.image for s in samples if s.image):
        try:
            load_image(key)
        except UserError as error:
            bad[key] = str(error)
    tell(where, list(bad.values()))
    left = [s for s in samples if s.image not in bad]
    if {(s.role, s.split) for s in samples} != {(s.role, s.split) for s in left}:
        raise UserError(f"Too few pictures of '{where}' can be read: {next(iter(bad.values()))}")
    return left
