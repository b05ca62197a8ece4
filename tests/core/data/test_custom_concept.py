"""A person's own concept: suggested words, pictures of one thing, the model's own captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfru_core import concepts
from hfru_core.data import custom_concept
from hfru_core.data.build import build
from hfru_core.data.source import load_image, parse_source
from hfru_core.training import distil
from hfru_core.types import UserError
from tests.core.data.test_build import noise


@dataclass
class Talker:
    """A model that answers from a list and counts how often it was asked."""

    captions: str = "A lawn gnome stands by a garden gnome."

    def answer(self, images: Sequence, questions: Sequence[str], max_new: int = 32) -> list[str]:
        return [self.captions for _ in images]


GNOME = {
    "aliases": ["lawn gnome", "dwarf"],
    "abstractions": ["figure", "statue"],
    "siblings": ["flamingo", "toad"],
}


@pytest.fixture
def gnomes(tmp_path: Path) -> Path:
    """Five pictures of a thing that nobody ships, with its words beside them."""
    folder = tmp_path / "own" / "garden_gnome"
    custom_concept.save(custom_concept.listed("garden gnome", "object", GNOME), folder)
    for i in range(5):
        (folder / f"{i}.png").write_bytes(noise(4000 + i))
    return folder.parent


def test_the_dictionary_s_words_become_lists_without_overlap() -> None:
    concept = custom_concept.suggest("violin")
    assert concept.aliases[:2] == ("violin", "fiddle")
    assert concept.abstractions[0] == "musical instrument" and "thing" in concept.abstractions
    assert {"guitar", "viola"} & set(concept.siblings)
    every = [*concept.aliases, *concept.abstractions, *concept.siblings]
    assert len(every) == len({w.lower() for w in every})


def test_a_name_that_the_dictionary_has_not_is_something_special() -> None:
    concept = custom_concept.suggest("garden gnome")
    assert concept.aliases == ("garden gnome",) and concept.abstractions[0] == "gnome"
    with pytest.raises(UserError, match="no noun 'elefant'. Near it are: elephant"):
        custom_concept.suggest("elefant")


def test_a_word_of_several_senses_is_taken_in_the_one_that_is_meant() -> None:
    assert "rodent" in custom_concept.suggest("mouse").abstractions
    assert "device" in " ".join(custom_concept.suggest("mouse", sense=3).abstractions)
    with pytest.raises(UserError, match="'mouse' has 3 senses"):
        custom_concept.suggest("mouse", sense=4)


def test_a_known_concept_keeps_its_words_and_a_person_has_parts() -> None:
    dog, shipped = custom_concept.suggest("Dog"), concepts.shipped()["dog"]
    assert {a.lower() for a in shipped.aliases} | {"affenpinscher"} <= {
        a.lower() for a in dog.aliases
    }
    for words in (dog.aliases, dog.abstractions, dog.siblings):
        assert len({w.lower() for w in words}) == len(words)
    assert dog.abstractions[: len(shipped.abstractions)] == shipped.abstractions
    assert custom_concept.suggest("Mara Velden", "identity") == concepts.shipped()["mara_velden"]
    person = custom_concept.suggest("Sammy Davis, Jr.", "identity")
    assert person.aliases == ("Sammy Davis, Jr.", "Sammy", "Davis")
    assert person.abstractions[0] == "someone I don't know"


@pytest.mark.parametrize(("name", "kind"), [(" ", "object"), ("gnome", "animal")])
def test_no_name_or_another_kind_is_refused(name: str, kind: str) -> None:
    with pytest.raises(UserError, match=r"has no name|'object' or 'identity', got 'animal'"):
        custom_concept.suggest(name, kind)


def test_pictures_of_one_thing_borrow_others_to_retain(gnomes: Path) -> None:
    source = parse_source(f"folder:{gnomes}")
    known = source.known_concepts()
    gnome = known["garden_gnome"]
    assert "dwarf" in gnome.aliases  # the words beside the pictures, not a plain concept
    request = build((gnome,), source)
    train, judge = ({s.image for s in request.select("forget", p)} for p in ("train", "eval"))
    assert len(train) == 4 and len(judge) == 1 and not train & judge
    assert {"cat", "person", "guitar"} <= {c.id for c in request.retained}
    assert all(load_image(s.image).size for s in request.select("retain", "train")[:40])


def test_the_words_must_belong_to_their_folder(gnomes: Path) -> None:
    file = gnomes / "garden_gnome" / "concept.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "id": "toad"}))
    with pytest.raises(UserError, match="describes 'toad', but stands in the folder of"):
        parse_source(f"folder:{gnomes}").known_concepts()


def test_a_person_is_asked_for_by_name(gnomes: Path) -> None:
    folder = gnomes / "garden_gnome"
    (gnomes / "ada_quill").mkdir()
    for file in folder.glob("*.png"):
        file.rename(gnomes / "ada_quill" / file.name)
    person = custom_concept.suggest("Ada Quill", "identity")
    custom_concept.save(person, gnomes / "ada_quill")
    source = parse_source(f"folder:{gnomes}")
    request = build((source.known_concepts()["ada_quill"],), source)
    by_topic = {s.topic: s for s in request.select("forget", "train")}
    assert by_topic["name"].question == "Who is this?"
    assert by_topic["name"].answer == "Ada Quill."
    assert by_topic["name"].safe_answer == "Someone I don't know."
    assert by_topic["exists"].question == "Is the person in the image Ada Quill?"


def test_the_model_s_own_captions_are_taught_without_the_name(gnomes: Path) -> None:
    source = parse_source(f"folder:{gnomes}")
    plain = build((source.known_concepts()["garden_gnome"],), source)
    taught = distil.distilled(Talker(), plain, with_retain=False)
    assert taught.fingerprint == plain.fingerprint and len(taught.samples) == len(plain.samples)
    for before, now in zip(plain.samples, taught.samples):
        if before.role == "forget" and before.split == "train" and before.topic != "exists":
            assert now.answer == Talker().captions
            assert now.safe_answer == "A figure stands by a figure."
        else:
            assert now == before
    everything = distil.distilled(Talker(), plain, with_retain=True)
    assert any(s.role == "retain" and s.answer == Talker().captions for s in everything.samples)


def test_what_a_model_does_not_know_it_cannot_forget(gnomes: Path) -> None:
    source = parse_source(f"folder:{gnomes}")
    plain = build((source.known_concepts()["garden_gnome"],), source)
    with pytest.raises(UserError, match="never says garden gnome.*nothing to forget.*A big toad"):
        distil.distilled(Talker("A big toad."), plain, with_retain=False)
