"""Questions beyond the protocol's, made from rows (one `Sample` per image).

Every question is a `Sample` whose topic says how an answer is read: 'exists' by its yes, any other
by the names in it. A question with a word that the tokenizer does not have would ask something
else, so `readable` drops it: a model with a small vocabulary gets fewer questions.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice

from hfru_core.language.rewriting import with_article
from hfru_core.model.vlm import VLM
from hfru_core.protocol.questions import PORTRAIT_QUESTIONS, SCENE_QUESTIONS
from hfru_core.types import Concept, Role, Sample, UnlearnData

Readable = Callable[[str], bool]
Patterns = tuple[tuple[str, str], ...]  # (topic, wording) with {about}, {a_about}, {options}

MORE_WORDINGS: Patterns = (
    ("describe", "What do you see here?"),
    ("describe", "What is shown in this image?"),
    ("describe", "What is in this picture?"),
    ("describe", "Please describe what you see."),
    ("caption", "Please describe the picture in detail."),
)
WORDINGS: dict[str, Patterns] = {
    "object": (
        ("name", "What is here?"), ("name", "What is this thing?"),
        ("describe", "Which thing do you see?"), ("exists", "Do you see any {about}?"),
    ),
    "identity": (
        ("name", "Who is it?"), ("name", "Who is shown here?"), ("name", "Who is in this picture?"),
        ("name", "Who is the person in this image?"), ("name", "What is this person's name?"),
    ),
}  # fmt: skip
# The protocol asks the first wording of each topic; an adapter may act on that one only.
ASKED = {"object": SCENE_QUESTIONS, "identity": PORTRAIT_QUESTIONS}
EXISTS = {kind: asked["exists"][0] for kind, asked in ASKED.items()}
CHOICE = {"object": "Which object is shown, {options}?", "identity": "{options}. Who is this?"}
# The context before the question (Shumailov et al., 2407.00106: reintroduction in context).
CONTEXTS: dict[str, dict[str, Patterns]] = {
    "a hint": {
        "object": (("describe", "I see {a_about}. Please describe this image."),),
        "identity": (("describe", "I see {about}. Please describe this image."),),
    },
    "a role": {
        "object": (("describe", "I know what {a_about} is. What do you see?"),),
        "identity": (("name", "I know who {about} is. Who do you see?"),),
    },
    "examples in text": {
        "object": (("name", "What is it? {A_about}. What is it? {A_about}. What is it?"),),
        "identity": (
            ("name", "Who do you see? {about}. Who do you see? {about}. Who do you see?"),
        ),
    },
}
# Describe first, name later: chain-of-thought prompts in words that small models have.
STEPS: dict[str, Patterns] = {
    "object": (
        ("name", "Please describe the image. What is it?"),
        ("name", "Describe the picture. What is this?"),
    ),
    "identity": (
        ("name", "Please describe this picture. Who do you see?"),
        ("name", "Please describe the image. Who is this?"),
    ),
}


def readable(vlm: VLM) -> Readable:
    """Whether the tokenizer has every word of a text."""
    unknown = vlm.tokenizer.unk_token_id
    return lambda text: unknown not in vlm.tokenizer.encode(text, add_special_tokens=False)


def concepts_of(data: UnlearnData) -> dict[str, Concept]:
    return {c.id: c for c in (*data.concepts, *data.retained)}


def rows(data: UnlearnData, role: Role, topics: Sequence[str] = ("name",)) -> list[Sample]:
    """The protocol's questions of some topics about the eval images of a role."""
    return [s for s in data.select(role, "eval") if s.topic in topics]


def alike(data: UnlearnData) -> list[Sample]:
    """Retain images of the kinds of concept that are forgotten: objects, or people."""
    known, kinds = concepts_of(data), {c.kind for c in data.concepts}
    return [s for s in rows(data, "retain") if known[s.concept_id].kind in kinds]


def part(found: Sequence[Sample], share: float, rng: random.Random) -> list[Sample]:
    """A share of the rows, drawn at random, in their order; at least one of any."""
    count = min(len(found), max(1, round(share * len(found))))
    return [found[i] for i in sorted(rng.sample(range(len(found)), count))]


def wordings(kind: str) -> Patterns:
    """All ways but the protocol's to ask about an image of one kind of concept."""
    other = tuple(
        (topic, text)
        for topic in ("describe", "caption", "name", "exists")
        for text in ASKED[kind][topic][1:]
    )
    return other + MORE_WORDINGS + WORDINGS[kind]


def filled(wording: str, about: Concept, options: str = "") -> str:
    a_about = with_article(about.name)
    return wording.format(
        about=about.name, a_about=a_about, A_about=a_about.capitalize(), options=options
    )


def ask(row: Sample, topic: str, question: str, answer: str = "") -> Sample:
    """Another question about the row's image."""
    return replace(
        row,
        id=f"{row.image}?{question}",
        topic=topic,
        question=question,
        answer=answer,
        safe_answer=answer,
        attributes=(),
    )


def reworded(
    found: Sequence[Sample],
    data: UnlearnData,
    patterns: Callable[[str], Patterns],
    each: int,
    can_read: Readable,
    rng: random.Random,
) -> list[Sample]:
    """`each` questions about every row's own concept, all wordings equally often."""
    known, asked = concepts_of(data), []
    turns: dict[str, cycle] = {}
    for row in found:
        about = known[row.concept_id]
        if about.id not in turns:
            usable = [p for p in patterns(about.kind) if can_read(filled(p[1], about))]
            turns[about.id] = cycle(rng.sample(usable, len(usable)))
        asked += [ask(row, t, filled(text, about)) for t, text in islice(turns[about.id], each)]
    return asked


def forgotten_for(found: Sequence[Sample], data: UnlearnData) -> Iterator[tuple[Sample, Concept]]:
    """Rows with a forgotten concept to mention: their own, or one of the same kind, in turn."""
    known = concepts_of(data)
    for i, row in enumerate(found):
        own = known[row.concept_id]
        alike = [c for c in data.concepts if c.kind == own.kind]
        fitting = [own] if row.role == "forget" else alike
        if fitting:
            yield row, fitting[i % len(fitting)]


def in_context(
    found: Sequence[Sample], data: UnlearnData, context: str, can_read: Readable
) -> list[Sample]:
    """Questions after a context that mentions a forgotten concept."""
    asked = []
    for row, about in forgotten_for(found, data):
        for topic, wording in CONTEXTS[context][about.kind]:
            question = filled(wording, about)
            if can_read(question):
                asked.append(ask(row, topic, question))
    return asked


# Names to choose from.


def near(data: UnlearnData, concept: Concept) -> list[str]:
    """The names of retained concepts that are siblings of this one."""
    return [c.name for c in data.retained if c.name in concept.siblings and c.id != concept.id]


def far(data: UnlearnData, concept: Concept) -> list[str]:
    """The names of retained objects that are not siblings of this concept."""
    return [
        c.name
        for c in data.retained
        if c.kind == "object" and c.name not in concept.siblings and c.id != concept.id
    ]


def choices(
    found: Sequence[Sample],
    data: UnlearnData,
    others: Callable[[UnlearnData, Concept], list[str]],
    count: int,
    can_read: Readable,
    rng: random.Random,
) -> list[Sample]:
    """Multiple choice: the row's concept among `count` names of things that are not there."""
    known, asked = concepts_of(data), []
    for row in found:
        own = known[row.concept_id]
        wrong = [n for n in others(data, own) if n not in row.names and can_read(n)]
        options = [own.name, *rng.sample(wrong, min(count, len(wrong)))]
        rng.shuffle(options)
        question = filled(CHOICE[own.kind], own, listed(options, data))
        if wrong and can_read(question):
            asked.append(ask(row, "name", question))
    return asked


def listed(options: Sequence[str], data: UnlearnData) -> str:
    """'a cat, a dog or a horse'; names of people take no articles."""
    people = {c.name for c in (*data.concepts, *data.retained) if c.kind == "identity"}
    items = [o if o in people else with_article(o) for o in options]
    if people.intersection(options):
        return ", ".join(items)
    return ", ".join(items[:-1]) + " or " + items[-1] if len(items) > 1 else items[0]


# Yes/no questions whose right answer is no (POPE, Li et al., 2305.10355).


def negatives(
    found: Sequence[Sample],
    data: UnlearnData,
    strategy: str,
    can_read: Readable,
    rng: random.Random,
) -> list[Sample]:
    """A yes/no question about something that is not in the image, for every row."""
    known, by_name, asked = concepts_of(data), {c.name: c for c in data.retained}, []
    shown = Counter(n for names in {s.image: s.names for s in data.samples}.values() for n in names)
    usable = [c for c in data.retained if can_read(c.name)]
    for row in found:
        own = known[row.concept_id]
        absent = [c.name for c in usable if c.kind == own.kind and c.name not in row.names]
        names = candidates(strategy, absent, near(data, own), shown)
        if names:
            about = by_name[rng.choice(names)]
            asked.append(ask(row, "exists", filled(EXISTS[about.kind], about), "No."))
    return asked


def candidates(
    strategy: str, absent: list[str], alike: list[str], shown: Counter[str]
) -> list[str]:
    """Random: any name of the image's kind; popular: the three that most images show.

    Adversarial: siblings of what is there. POPE takes what co-occurs with it most often, which
    means nothing in a world whose pairs are drawn at random.
    """
    if strategy == "popular":
        return sorted(absent, key=lambda n: -shown[n])[:3]
    if strategy == "adversarial":
        return [n for n in absent if n in alike] or absent
    return absent


def harmless(found: Sequence[Sample], data: UnlearnData, can_read: Readable) -> list[Sample]:
    """Retain images with a question about a forgotten name: 'no' is right (SARR, 2502.12520)."""
    return [
        ask(row, "exists", filled(EXISTS[about.kind], about), "No.")
        for row, about in forgotten_for(found, data)
        if can_read(about.name)
    ]


# Without an image.


def meanings(data: UnlearnData, can_read: Readable) -> list[Sample]:
    """'What is a dog?' in text alone, for every object: the word keeps its meaning."""
    objects = [c for c in (*data.concepts, *data.retained) if c.kind == "object"]
    forgotten = {c.id for c in data.concepts}
    return [
        Sample(
            id=f"text?{c.name}",
            image=None,
            question=f"What is {with_article(c.name)}?",
            topic="word",
            answer="",
            safe_answer="",
            concept_id=c.id,
            role="forget" if c.id in forgotten else "retain",
            split="eval",
        )
        for c in objects
        if can_read(c.name)
    ]
