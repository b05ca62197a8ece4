"""The one detector of words, and the concepts that it is asked about."""

import json
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from hfru_core import concepts as words
from hfru_core.concepts import parse, shipped
from hfru_core.language.mentions import mentions
from hfru_core.pretrain.architecture import build_tokenizer
from hfru_core.protocol.answers import PEOPLE_NAMES
from hfru_core.protocol.questions import corpus
from hfru_core.types import Concept, UserError
from hfru_core.world.scenes import CLASSES, KINDS, kind_of
from hfru_core.world.vocabulary import OTHER_WORDS


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


def test_names_are_of_one_concept_and_add_nothing_to_what_the_bundled_model_is_taught() -> None:
    """The tokens of a concept's names, which methods train on, are those the model began with."""
    taken = Counter(w.lower() for c in shipped().values() for w in c.aliases)
    assert not [w for w, n in taken.items() if n > 1]
    tokenizer = build_tokenizer(corpus())
    for line in OTHER_WORDS:
        concept = shipped()[line.split()[0]]
        known = {*tokenizer.encode(line), tokenizer.unk_token_id}
        added = [a for a in concept.aliases if not {*tokenizer.encode(a)} <= known]
        assert not added, (concept.id, added)


@pytest.mark.parametrize(("name", "words"), [
    ("dog", "shepherd dogs, mutts, pooches, Chihuahuas, German shepherds, huskies, rottweilers"),
    ("horse", "mustangs, thoroughbreds, fillies"),
    ("person", "humans, adults, toddlers, children, gentlemen"),
    ("house", "bungalows, farmhouses"),
    ("boat", "canoes, ferries, rowing boats"),
])  # fmt: skip
def test_what_everybody_calls_them_names_them(name: str, words: str) -> None:
    for word in words.split(", "):
        assert mentions(word, shipped()[name].aliases) == 1, word


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


def test_names_with_commas_accents_and_symbols_are_found() -> None:
    names = ("Sammy Davis, Jr.", "Viktor Orb\u00e1n", "C++", "C#", "dog")
    known = {
        words.slug(n): Concept(words.slug(n), n, "object", (n,), ("thing",), (), "test")
        for n in names
    }
    found = parse("Sammy Davis, Jr., dog, Viktor Orban, Viktor Orba\u0301n, C#, C++", known)
    assert [c.name for c in found] == [
        "Sammy Davis, Jr.", "dog", "Viktor Orb\u00e1n", "C#", "C++"
    ]  # fmt: skip
