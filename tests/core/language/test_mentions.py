"""Where a text names a word, in every spelling."""

from __future__ import annotations

import unicodedata

import pytest

from hfru_core.language.mentions import hits, mentions


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
    ("dog-like, underdog, dog_house", ("dog",), 2),
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
# fmt: on


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Three mice sit.", "mouse"),
        ("Two knives.", "knife"),
        ("Many people.", "person"),
        ("Two oxen.", "ox"),
        ("A man in a t shirt.", "T-shirt"),
        ("Two T-shirts.", "T-shirt"),
        ("A tshirt.", "T-shirt"),
        ("A firetruck.", "fire truck"),
        ("A fire-truck.", "fire truck"),
        ("A fire\ntruck.", "fire truck"),
        ("A fire truck.", "firetruck"),
        ("A dog\u2019s face.", "dog"),
        ("Straw\u00adberries.", "strawberry"),
        ("Glasses of wine.", "glass of wine"),
        ("ZO\u00cb ORBAN", "Zo\u00eb Orb\u00e1n"),
        ("Pat O\u2019Brien smiles.", "Pat O'Brien"),
        ("Sammy Davis Jr. sings.", "Sammy Davis, Jr."),
        ("Auf dem Sofa schlafen drei Katzen.", "Katze"),
        ("Deux chiens courent dans le jardin.", "chien"),
        ("\u56fe\u7247\u4e2d\u6709\u4e00\u53ea\u72d7\u3002", "\u72d7"),
        ("\uc0ac\uc9c4\uc5d0\ub294 \uac1c\uac00 \uc788\uc2b5\ub2c8\ub2e4.", "\uac1c"),
    ],
)
def test_a_word_is_found_however_it_is_written(text: str, word: str) -> None:
    for form in ("NFC", "NFD", "NFKC"):
        said = unicodedata.normalize(form, text)
        (hit,) = hits(said, (word,))
        assert said[hit.start : hit.end].strip(" .") == said[hit.start : hit.end]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("A part of it.", "apart"),
        ("The doghouse.", "dog"),
        ("\u4e00\u53ea\u718a\u732b\u3002", "\u732b"),  # a panda is no cat
        ("\uac1c\uad6c\ub9ac\uac00 \uc788\ub2e4.", "\uac1c"),  # a frog begins like a dog
        ("\uc0ac\uacfc \ub450 \uac1c\uac00 \uc788\ub2e4.", "\uac1c"),  # two pieces
    ],
)
def test_what_only_looks_like_it_is_not_found(text: str, word: str) -> None:
    assert not hits(text, (word,))


def test_a_letter_keeps_its_symbols() -> None:
    said = "A C++ book, two C#s... and C#'s cover."
    assert [mentions(said, (name,)) for name in ("C++", "C#", "C")] == [1, 2, 0]
    assert [h.word for h in hits("C# or c++", ("C++", "C#"))] == ["C#", "C++"]
    assert mentions("Plan C, vitamin c.", ("C",)) == 2 and mentions("dogs+cats", ("dog",)) == 1
