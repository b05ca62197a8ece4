"""A person's own concept: suggested words, pictures of one thing, the model's own captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hfru_core import concepts
from hfru_core.data import custom_concept
from hfru_core.data.build import build
from hfru_core.data.source import load_image, parse_source
from hfru_core.model import vlm
from hfru_core.training import distil
from hfru_core.types import UserError
from tests.core.data.test_build import noise

SAID = {
    "aliases": "Sure! Other words: lawn gnome, the dwarf, garden gnome.",
    "abstractions": "A garden gnome is a figure or statue.",
    "siblings": "1. a flamingo\n2. a toad\n3. garden statue of a very long name indeed\n4. statue",
}


@dataclass
class Talker:
    """A model that answers from a list and counts how often it was asked."""

    captions: str = "A lawn gnome stands by a garden gnome."
    digest: str = "d1"
    asked: list[str] = field(default_factory=list)

    def fingerprint(self) -> str:
        return self.digest

    def answer(self, images: Sequence, questions: Sequence[str], max_new: int = 32) -> list[str]:
        self.asked += questions
        return [self.captions if i else SAID[f] for i, f in zip(images, (*SAID, *questions))]


@pytest.fixture
def gnomes(tmp_path: Path) -> Path:
    """Five pictures of a thing that nobody ships, with its words beside them."""
    folder = tmp_path / "own" / "garden_gnome"
    custom_concept.save(custom_concept.suggest(Talker(), "garden gnome"), folder)
    for i in range(5):
        (folder / f"{i}.png").write_bytes(noise(4000 + i))
    return folder.parent


def test_what_the_decoder_says_becomes_word_lists_without_overlap() -> None:
    concept = custom_concept.suggest(Talker(), "garden gnome")
    assert concept.aliases == ("garden gnome", "lawn gnome", "dwarf")
    assert concept.abstractions == ("figure", "statue", "thing", "object", "something")
    assert "toad" in concept.siblings and "flamingo" in concept.siblings
    assert not any("very long" in w for w in concept.siblings)
    every = [*concept.aliases, *concept.abstractions, *concept.siblings]
    assert len(every) == len({w.lower() for w in every})


def test_a_known_concept_and_a_person_need_no_decoder() -> None:
    model = Talker()
    assert custom_concept.suggest(model, "Dog") == concepts.shipped()["dog"]
    person = custom_concept.suggest(model, "Ada Quill", "identity")
    assert person.aliases == ("Ada Quill", "Ada", "Quill")
    assert person.abstractions[0] == "someone I don't know"
    assert not model.asked


def test_the_decoder_is_asked_once_for_each_model(tmp_path: Path) -> None:
    model = Talker()
    first = custom_concept.suggest(model, "garden gnome", cache=tmp_path)
    assert custom_concept.suggest(model, "garden gnome", cache=tmp_path) == first
    assert len(model.asked) == len(SAID)
    custom_concept.suggest(Talker(digest="d2"), "garden gnome", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(("name", "kind"), [(" ", "object"), ("gnome", "animal")])
def test_no_name_or_another_kind_is_refused(name: str, kind: str) -> None:
    with pytest.raises(UserError, match=r"has no name|'object' or 'identity', got 'animal'"):
        custom_concept.suggest(Talker(), name, kind)


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
    person = custom_concept.suggest(Talker(), "Ada Quill", "identity")
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


def test_the_bundled_model_s_words_make_a_concept() -> None:
    """It knows no lists: whatever it says, the word lists can decide something."""
    concept = custom_concept.suggest(vlm.load(device="cpu"), "gnome")
    assert concept.name == "gnome" and concept.aliases[0] == "gnome"
    assert "thing" in concept.abstractions
