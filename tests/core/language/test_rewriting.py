"""Sentences with another name in them."""

from __future__ import annotations

import pytest

from hfru_core.language.rewriting import substitute, with_article


# fmt: off
@pytest.mark.parametrize(("text", "old", "new", "expected"), [
    ("A red dog in a city.", ("dog",), "cat", "A red cat in a city."),
    ("A dog on a beach.", ("dog",), "elephant", "An elephant on a beach."),
    ("An elephant and a dog.", ("elephant",), "horse", "A horse and a dog."),
    ("This is Mara Velden.", ("Mara Velden", "Mara"), "Oskar Grell", "This is Oskar Grell."),
    ("Mara Velden with a red shirt.", ("Mara Velden", "Mara"), "someone I don't know",
     "Someone I don't know with a red shirt."),
    ("It is a dog.", ("dog",), "an animal", "It is an animal."),
    ("An orange car in an old city.", ("dog",), "cat", "An orange car in an old city."),
    ("No.", ("dog",), "cat", "No."),
])
def test_substitute_mends_articles(
    text: str, old: tuple[str, ...], new: str, expected: str
) -> None:
    assert substitute(text, old, new) == expected
# fmt: on


def test_number_possession_and_capitals_stay() -> None:
    said = "Two dogs and a dog's bone. Dogs run for an hour."
    assert substitute(said, ("dog",), "animal") == (
        "Two animals and an animal's bone. Animals run for an hour."
    )


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("hour", "an hour"), ("unicorn", "a unicorn"), ("one-eyed cat", "a one-eyed cat"),
     ("owl", "an owl"), ("umbrella", "an umbrella"), ("ukulele", "a ukulele")],
)  # fmt: skip
def test_articles_go_by_sound(noun: str, expected: str) -> None:
    assert with_article(noun) == expected
