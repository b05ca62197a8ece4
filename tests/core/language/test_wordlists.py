"""Word lists from the dictionary."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hfru_core.language import extract
from hfru_core.language.compounds import other_thing
from hfru_core.language.dictionary import dictionary, is_noun
from hfru_core.language.mentions import hits
from hfru_core.language.wordlists import senses, words_for
from tests.conftest import ROOT

LISTS = {  # name: (some of its names, more general words, similar things)
    "dog": ("poodle puppy hound", "animal mammal canine", "fox wolf"),
    "cat": ("kitten tabby", "animal feline mammal", "lion tiger"),
    "car": ("sedan taxi jeep limousine", "vehicle", "truck"),
    "bird": ("owl parrot eagle", "animal", "fish snake"),
    "guitar": ("ukulele", "instrument", "violin banjo"),
    "church": ("cathedral", "building", "chapel temple"),
}


@pytest.mark.parametrize("noun", LISTS)
def test_the_lists_have_what_people_say(noun: str) -> None:
    found = words_for(noun)
    for listed, wanted in zip((found.names, found.abstractions, found.siblings), LISTS[noun]):
        said = {word for name in listed for word in name.split()}
        assert set(wanted.split()) <= said


@pytest.mark.parametrize("noun", [*LISTS, "rose", "pizza", "hammer", "doctor", "bicycle"])
def test_no_word_is_in_two_lists_and_none_is_empty_talk(noun: str) -> None:
    found = words_for(noun)
    every = [*found.names, *found.abstractions, *found.siblings]
    assert len(every) == len({w.lower() for w in every})
    assert not {"entity", "whole", "object", "physical entity", "artifact"} & set(every)


def test_everyday_words_under_rare_senses_are_no_names() -> None:
    for noun, other in (("toilet", "can"), ("boat", "vessel"), ("apple", "Delicious")):
        assert other not in words_for(noun).names


# fmt: off
@pytest.mark.parametrize(("noun", "names", "general", "siblings"), [
    ("lobster", "", "animal", "crab"),  # the animal before its meat
    ("helmet", "crash helmet", "clothing", "hat"),  # what people wear before armour
    ("bat", "fruit bat", "mammal", "mouse dog"),
    ("mushroom", "field mushroom", "fungus", ""),
    ("cheese", "brie", "food", "milk"),
])
def test_lists_are_of_the_sense_and_the_words_that_people_mean(
    noun: str, names: str, general: str, siblings: str
) -> None:
    found = words_for(noun)
    assert not names or names in {w.lower() for w in found.names}
    assert general in found.abstractions
    assert set(siblings.split()) <= set(found.siblings)


@pytest.mark.parametrize(("noun", "words"), [
    ("violin", "device string gadget"), ("tractor", "container box"), ("basket", "car truck"),
    ("mouse", "mare charger cows human\xa0being"), ("butterfly", "small\xa0white"),
    ("pillow", "fabric uniform brick"), ("person", "nigger"), ("mushroom", "agaric"),
])
def test_lists_have_no_words_of_other_kinds_and_no_insults(noun: str, words: str) -> None:
    found = words_for(noun)
    every = {*found.names, *found.abstractions, *found.siblings}
    assert not {w.replace("\xa0", " ") for w in words.split(" ")} & every
# fmt: on


def test_a_person_s_names_are_no_single_people_and_no_insults() -> None:
    found = {w.lower() for w in words_for("person").names}
    assert {"woman", "man", "child", "passenger"} <= found
    assert not {"plato", "hitler", "shakespeare", "negro", "coon", "abo", "idiot"} & found


def test_the_senses_of_a_word_are_told_apart() -> None:
    assert len(senses("mouse")) > 1 and "rodent" in senses("mouse")[0].gloss
    assert words_for("crane", 1) != words_for("crane", 2)


@pytest.mark.parametrize(
    ("text", "name", "compound"),
    [("Two hot dogs.", "dog", "hotdog"), ("A teddy bear.", "bear", "teddybear"),
     ("An elephant seal.", "elephant", "elephantseal"), ("A police dog.", "dog", None),
     ("A clock tower.", "clock", None), ("A brown dog.", "dog", None)],
)  # fmt: skip
def test_compounds_are_left_alone_by_the_dictionary(
    text: str, name: str, compound: str | None
) -> None:
    (hit,) = hits(text, (name,))
    assert other_thing(text, hit, (name,), ()) == compound


def test_the_small_list_of_nouns_is_that_of_the_dictionary() -> None:
    assert all(is_noun(key) for key in list(dictionary().index)[::997])
    assert not is_noun("browndog") and not is_noun("")


def test_the_extract_is_made_from_wordnets_files(tmp_path: Path) -> None:
    line = '00000001 03 n 02 thing 0 item 1 001 @ 00000002 n 0000 | a thing; "one thing"\n'
    top = "00000002 03 n 01 entity 0 000 | what is\n"
    (tmp_path / "data.noun").write_text("  1 licence\n" + line + top)
    index = "thing n 1 1 @ 1 1 00000001\nitem n 1 1 @ 1 0 00000001\nentity n 1 0 1 0 00000002\n"
    (tmp_path / "index.noun").write_text(index)
    (tmp_path / "cntlist.rev").write_text("thing%1:03:00:: 1 12\nthing%2:30:00:: 1 3\n")
    for part in ("verb", "adj", "adv"):
        (tmp_path / f"index.{part}").write_text("thing v 1 0 1 0 00000009\n" * (part == "verb"))
    assert extract.extract(tmp_path) == [
        "1\tthing:1:12|item:1:0\ta thing", "\tentity:1:0\twhat is", "=thing 4",
    ]  # fmt: skip
    asked = [sys.executable, "-m", "hfru_core.language.extract", str(tmp_path), "--out"]
    done = subprocess.run([*asked, str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "nouns.tsv.gz: 3 lines" in done.stdout, done.stderr
