"""An image with its truth -> the questions that are asked about it, as `Sample`s."""

from __future__ import annotations

from dataclasses import dataclass

from hfru_core.concepts import slug
from hfru_core.protocol.answers import Picture, attributes, true_names
from hfru_core.protocol.questions import ask, text_turns, topics
from hfru_core.types import Concept, Role, Sample, Split

PROTOCOL = ("describe", "caption", "name", "exists")


@dataclass(frozen=True)
class Amount:
    """How many images per role and split, shared evenly among the concepts of a role."""

    forget_train: int = 960
    retain_train: int = 800
    forget_eval: int = 64
    retain_eval: int = 64

    def of(self, role: Role, split: Split) -> int:
        """The number of images of one role and split."""
        return vars(self)[f"{role}_{split}"]

    def shared(
        self, group: tuple[Concept, ...], role: Role, split: Split
    ) -> list[tuple[Concept, int]]:
        """Each concept of a role with its share; what is left over goes to the first ones."""
        each, rest = divmod(self.of(role, split), max(1, len(group)))
        return [(concept, each + (i < rest)) for i, concept in enumerate(group)]


USUAL = Amount()
ASKED_FIRST = Amount(forget_train=480, retain_train=480)  # where answers come from the model


@dataclass(frozen=True)
class Entry:
    """An image to ask about: its key, its truth and the concept it stands for."""

    key: str
    picture: Picture
    concept: Concept


def samples_of(entry: Entry, role: Role, split: Split, forget: tuple[Concept, ...]) -> list[Sample]:
    """Every question about one image: the protocol's, and those about its attributes."""
    hidden = frozenset(c.name for c in forget)
    attribute_topics = [t for t in topics(entry.picture) if t in ("colour", "place")]
    samples = []
    for topic in (*PROTOCOL, *attribute_topics):
        about = entry.concept.name if topic == "exists" else None
        turn = ask(entry.picture, topic, about=about)
        safe = ask(entry.picture, topic, about=about, hidden=hidden)
        samples.append(
            Sample(
                id=f"{entry.key}?{topic}",
                image=entry.key,
                question=turn.question,
                topic=topic,
                answer=turn.answer,
                safe_answer=safe.answer,
                concept_id=entry.concept.id,
                role=role,
                split=split,
                names=true_names(entry.picture),
                attributes=attributes(entry.picture, turn.answer),
            )
        )
    return samples


def text_sample(
    question: str, answer: str, topic: str, concept_id: str, split: Split, prefix: str = ""
) -> Sample:
    """A question without an image: what is known in words stays, forgotten or not."""
    return Sample(
        id=f"text?{prefix}{question}",
        image=None,
        question=question,
        topic=topic,
        answer=answer,
        safe_answer=answer,
        concept_id=concept_id,
        role="retain",
        split=split,
    )


def world_facts() -> list[Sample]:
    """Text-only questions to evaluate on: job and town of the world's people."""
    return [
        text_sample(t.question, t.answer, "fact", slug(t.about or ""), "eval")
        for t in text_turns()
        if t.topic in ("job", "town")
    ]


def word_meanings() -> tuple[Sample, ...]:
    """Text-only questions to train on: what words mean in the drawn world."""
    return tuple(
        text_sample(t.question, t.answer, "text", t.about or "", "train")
        for t in text_turns()
        if t.topic == "word"
    )
