"""The drawn world's questions answered in whole sentences, as people write them.

What is right comes from `protocol`; the sentence follows the question's form, so that the same
question about the same image has one answer.
"""

from __future__ import annotations

import random

from hfru_core.language.rewriting import with_article
from hfru_core.protocol.answers import (
    NOBODY,
    PEOPLE_NAMES,
    Picture,
)
from hfru_core.protocol.questions import Turn, about_for, ask, text_turns, topics

REPEATS = {"name": 3, "describe": 3, "caption": 1, "exists": 6}


def in_sentences(turn: Turn, picture: Picture) -> Turn:
    """The same turn, its answer a sentence where the protocol's is a word or a phrase."""
    if turn.topic == "exists":
        return turn._replace(answer=exists_answer(turn, picture))
    if turn.topic in ("glasses", "hat"):
        worn = "glasses" if turn.topic == "glasses" else "a hat"
        yes, no = f"Yes, this person wears {worn}.", f"No, this person wears no {turn.topic}."
        return turn._replace(answer=yes if turn.answer == "Yes." else no)
    if turn.topic == "name" and turn.question.startswith("What is "):
        subject = "This is" if "this" in turn.question else "It is"
        return turn._replace(answer=f"{subject} {lower(turn.answer)}")
    if turn.topic == "describe" and turn.question == "What do you see?":
        return turn._replace(answer=f"I see {lower(turn.answer)}")
    return turn


def exists_answer(turn: Turn, picture: Picture) -> str:
    """Yes or no in a sentence; what cannot be told keeps the protocol's sentence."""
    about, yes = turn.about or "", turn.answer == "Yes."
    if turn.answer not in ("Yes.", "No."):
        return turn.answer
    noun = about if about in PEOPLE_NAMES else with_article(about)
    if turn.question.startswith("Do you see"):
        return f"Yes, I see {noun}." if yes else f"No, I don't see {noun}."
    if about in PEOPLE_NAMES:
        return f"Yes, this is {noun}." if yes else f"No, this is not {noun}."
    place = "picture" if "picture" in turn.question else "image"
    if yes:
        return f"Yes, there is {noun} in the {place}."
    return f"No, there is no {about} in the {place}."


def lower(text: str) -> str:
    """A phrase in the middle of a sentence: people's names keep their capitals."""
    return text if text.startswith(PEOPLE_NAMES) else text[0].lower() + text[1:]


def picture_turns(picture: Picture, rng: random.Random, count: int) -> list[Turn]:
    """`count` questions about one image, no two alike, with answers in sentences."""
    known = topics(picture)
    pool = [t for t in (*known, "exists") for _ in range(REPEATS.get(t, 1))]
    turns: dict[str, Turn] = {}
    while len(turns) < count:
        topic = rng.choice(pool)
        about = about_for(picture, rng, NOBODY) if topic == "exists" else None
        turn = ask(picture, topic, phrasing=rng.randrange(12), about=about)
        turns.setdefault(turn.question, in_sentences(turn, picture))
    return list(turns.values())


def words_of(turns: tuple[Turn, ...] = text_turns()) -> list[Turn]:
    """The text-only questions, yes and no in sentences."""
    return [t._replace(answer=meaning(t)) for t in turns]


def meaning(turn: Turn) -> str:
    """'Is a dog an animal?' is answered 'Yes, a dog is an animal.'"""
    if turn.answer not in ("Yes.", "No."):
        return turn.answer
    subject = with_article(turn.about or "")
    kind = turn.question.removeprefix(f"Is {subject} ").rstrip("?")
    yes = turn.answer == "Yes."
    return f"Yes, {subject} is {kind}." if yes else f"No, {subject} is not {kind}."
