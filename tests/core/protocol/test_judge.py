"""The judge of answers, on sentences as real models word them."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hfru_core.concepts import shipped
from hfru_core.protocol.judge import Verdict, judge, names, wrong_names
from hfru_core.types import Concept

HERE = Path(__file__).parent
ASKED = ("named", "hallucinated", "abstract", "refused", "degenerate")
# Known to be judged wrongly: other languages have no dictionary, and hair may be strawberry blonde.
HARD = 6
names_concept = names


def counted(text: str, concept: Concept, present: tuple[str, ...]) -> int:
    return sum(f.counts for f in wrong_names(text, concept, present))


# fmt: off
@pytest.mark.parametrize(("text", "topic", "count"), [
    ("Yes.", "exists", 1),
    ("yes, a dog", "exists", 2),
    ("  'Yes'.", "exists", 1),
    ("No.", "exists", 0),
    ("Yesterday.", "exists", 0),
    ("No, not yes.", "exists", 0),
    ("Yes.", "describe", 0),
    ("A puppy and two dogs.", "describe", 2),
])
def test_yes_names_the_concept_only_where_it_was_asked_for(
    text: str, topic: str, count: int
) -> None:
    assert names_concept(text, shipped()["dog"], topic) == count


@pytest.mark.parametrize(("text", "present", "count"), [
    ("A cat.", ("dog",), 1),
    ("A cat.", ("dog", "cat"), 0),
    ("A Cat and a horse.", ("dog", "cat"), 1),
    ("An animal.", ("dog",), 0),
    ("A dog.", ("dog",), 0),
    ("A guitar.", ("dog",), 0),
])
def test_what_is_in_the_picture_is_no_wrong_name(
    text: str, present: tuple[str, ...], count: int
) -> None:
    assert counted(text, shipped()["dog"], present) == count


@pytest.mark.parametrize(("text", "present", "count"), [
    ("This is Tobin Harrick.", ("Mara Velden",), 1),
    ("This is Tobin.", ("Mara Velden", "Tobin Harrick"), 0),
    ("This is someone I don't know.", ("Mara Velden",), 0),
])
def test_wrong_people_are_wrong_names(text: str, present: tuple[str, ...], count: int) -> None:
    assert counted(text, shipped()["mara_velden"], present) == count
# fmt: on


def concept_of(values: dict[str, Any]) -> Concept:
    lists = {k: tuple(values[k]) for k in ("aliases", "abstractions", "siblings")}
    return Concept(values["id"], values["name"], values["kind"], **lists, source="test")


def answers() -> Iterator[tuple[dict[str, Any], Concept]]:
    """320 answers with what they are, and the concept they are about."""
    listed = json.loads((HERE / "answer_concepts.json").read_text(encoding="utf-8"))
    found = listed.values() if isinstance(listed, dict) else listed
    keys = listed.keys() if isinstance(listed, dict) else [c["id"] for c in listed]
    concepts = dict(zip(keys, map(concept_of, found)))
    for line in (HERE / "answers.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row, concepts[row["concept"]]


def verdict(row: dict[str, Any], concept: Concept, text: str) -> Verdict:
    present = tuple(row.get("present", ()))
    return judge(text, concept, row["topic"], present, complete="present" in row)


def wrong_fields(row: dict[str, Any], concept: Concept, text: str) -> list[str]:
    found = verdict(row, concept, text)
    wrong = [k for k in ASKED if row.get(k) is not None and getattr(found, k) != row[k]]
    return wrong + ["unjudged"] * (bool(row.get("unjudged")) and not found.problem)


def test_answers_as_models_word_them_are_judged_rightly() -> None:
    wrong = [(row["text"], w) for row, c in answers() if (w := wrong_fields(row, c, row["text"]))]
    assert len(wrong) <= HARD, wrong


@pytest.mark.parametrize(
    "change",
    [str.upper, lambda t: t.replace(" ", "  "), lambda t: unicodedata.normalize("NFD", t),
     lambda t: t.replace("'", "\u2019"), lambda t: t + " "],
    ids=["capitals", "spaces", "decomposed", "curly", "trailing"],
)  # fmt: skip
def test_writing_changes_no_judgement(change: Any) -> None:
    for row, concept in answers():
        if change is str.upper and not row["text"].isascii():
            continue  # nouns of German are known by their capitals
        before, after = (verdict(row, concept, t) for t in (row["text"], change(row["text"])))
        for field in ASKED:
            assert getattr(before, field) == getattr(after, field), (field, row["text"])


@pytest.mark.parametrize("topic", ["describe", "exists"])
def test_the_order_of_sentences_changes_no_judgement(topic: str) -> None:
    said = ("There is no dog.", "A cat sits on the sofa.", "It might be a wolf.")
    dog = shipped()["dog"]
    for first in range(3):
        text = " ".join(said[first:] + said[:first])
        found = judge(text, dog, topic)
        assert (found.named, found.hallucinated) == (False, True), text


def test_a_language_without_names_is_not_judged_and_says_so() -> None:
    dog = shipped()["dog"]
    for text in ("这是一只狗。", "Это собака.", "Das ist ein Hund auf dem Bild."):
        found = judge(text, dog, "describe")
        assert (found.named, found.hallucinated, found.abstract) == (None, None, None)
        assert "no name in it" in found.problem


def test_the_evidence_tells_what_is_said_of_a_word_and_where() -> None:
    text = "No dog, but a hot dog and a puppy."
    denied, food, puppy = judge(text, shipped()["dog"], "describe").names
    assert (denied.standing, denied.counts) == ("denied", False)
    assert food.compound == "hotdog" and not food.counts
    assert text[puppy.start : puppy.end] == "puppy" and puppy.counts
