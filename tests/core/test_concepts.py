"""The one detector of words, and the concepts that it is asked about."""

import json
from itertools import product
from pathlib import Path

import pytest

from hfru_core import concepts as words
from hfru_core.concepts import mentions, names_concept, parse, shipped, substitute, wrong_names
from hfru_core.protocol.answers import PEOPLE_NAMES
from hfru_core.types import Concept, UserError
from hfru_core.world.scenes import CLASSES, KINDS, kind_of


# fmt: off
@pytest.mark.parametrize(("text", "listed", "count"), [
    ("A dog on a beach.", ("dog",), 1),
    ("Dogs! A DOG, and the dog's bone.", ("dog",), 3),
    ("A woman in a forest.", ("man",), 0),
    ("A man, a woman.", ("man", "woman"), 2),
    ("One moment.", ("men",), 0),
    ("An animal on a carpet.", ("pet", "car"), 0),
    ("A pet.", ("pet",), 1),
    ("The label of Mable.", ("Abe",), 0),
    ("Abe's hat.", ("Abe",), 1),
    ("A lighthouse.", ("house",), 0),
    ("Two houses and a bus, three buses.", ("house", "bus"), 3),
    ("A cartoon of a boat.", ("car",), 0),
    ("dog-like, underdog, dog_house", ("dog",), 1),
    ("This is Mara Velden.", ("Mara Velden", "Mara", "Velden"), 1),
    ("Mara? Velden?", ("Mara Velden", "Mara", "Velden"), 2),
    ("Someone I don't know.", ("someone I don't know", "someone"), 1),
    ("a+b", ("a+b",), 1),
    ("aab", ("a+b",), 0),
    ("", ("dog",), 0),
    ("A dog.", (), 0),
])
def test_mentions_counts_whole_words(text: str, listed: tuple[str, ...], count: int) -> None:
    assert mentions(text, listed) == count


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
    assert wrong_names(text, shipped()["dog"], present) == count


@pytest.mark.parametrize(("text", "present", "count"), [
    ("This is Tobin Harrick.", ("Mara Velden",), 1),
    ("This is Tobin.", ("Mara Velden", "Tobin Harrick"), 0),
    ("This is someone I don't know.", ("Mara Velden",), 0),
])
def test_wrong_people_are_wrong_names(text: str, present: tuple[str, ...], count: int) -> None:
    assert wrong_names(text, shipped()["mara_velden"], present) == count
# fmt: on


def test_parse_takes_ids_names_and_aliases_once_and_in_order() -> None:
    found = parse(" puppy , Mara Velden,mara_velden, DOG,cat", shipped())
    assert [c.id for c in found] == ["dog", "mara_velden", "cat"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No concept was given"),
        (" , ,", "No concept was given"),
        ("unicorn", "Unknown concept 'unicorn'.*Known here:.*dog"),
        ("dog,unicorn", "Unknown concept 'unicorn'"),
        ("!!!", "name of a concept is empty"),
    ],
)
def test_parse_names_what_is_known(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(text, shipped())


GOOD = {
    "id": "fox", "name": "fox", "kind": "object", "aliases": ["fox"], "abstractions": ["animal"],
    "siblings": ["wolf"], "source": "test",
}  # fmt: skip


def test_a_concept_survives_its_file(tmp_path: Path) -> None:
    (tmp_path / "fox.json").write_text(json.dumps(GOOD))
    fox = words.load(tmp_path / "fox.json")
    assert fox == Concept("fox", "fox", "object", ("fox",), ("animal",), ("wolf",), "test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "plant"}, "kind is 'object' or 'identity', got 'plant'"),
        ({"aliases": []}, "may not be empty"),
        ({"abstractions": []}, "may not be empty"),
        ({"aliases": "fox"}, "aliases must be a list of words"),
        ({"siblings": [" "]}, "siblings must be a list of words"),
        ({"siblings": ["Fox"]}, "fox cannot be an alias and at the same time"),
        ({"abstractions": ["FOX"]}, "fox cannot be an alias and at the same time"),
        ({"colour": "red"}, "unknown: colour"),
    ],
)
def test_a_wrong_concept_is_refused_by_field(change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        words.from_dict({**GOOD, **change}, "fox.json")


def test_a_missing_field_is_named() -> None:
    with pytest.raises(UserError, match="missing: siblings"):
        words.from_dict({k: v for k, v in GOOD.items() if k != "siblings"}, "fox.json")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe\x00"])
def test_a_file_that_is_no_concept_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fox.json").write_bytes(content)
    with pytest.raises(UserError, match="fox.json"):
        words.load(tmp_path / "fox.json")


def test_every_class_and_person_has_a_shipped_concept() -> None:
    expected = {*CLASSES, *map(words.slug, PEOPLE_NAMES), "person"}
    assert set(shipped()) == expected
    for path in words.SHIPPED.glob("*.json"):
        assert words.load(path).id == path.stem


@pytest.mark.parametrize("concept", shipped().values(), ids=lambda c: c.id)
def test_shipped_words_decide_without_contradiction(concept: Concept) -> None:
    """No alias is found in an abstraction or sibling, nor the other way round."""
    others = (*concept.abstractions, *concept.siblings)
    assert mentions(concept.name, concept.aliases) == 1
    for alias, other in product(concept.aliases, others):
        assert not mentions(other, (alias,)), f"'{alias}' is in '{other}'"
        assert not mentions(alias, (other,)), f"'{other}' is in '{alias}'"


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_its_kind_and_its_neighbours(name: str) -> None:
    """The honest word of the world is an abstraction; every class of that kind is a sibling."""
    concept = shipped()[name]
    assert kind_of(name) in concept.abstractions
    assert set(KINDS[kind_of(name)]) - {name} <= set(concept.siblings)


@pytest.mark.parametrize("name", PEOPLE_NAMES)
def test_a_person_has_all_others_as_siblings(name: str) -> None:
    concept = shipped()[words.slug(name)]
    assert concept.kind == "identity"
    assert set(PEOPLE_NAMES) - {name} <= set(concept.siblings)
