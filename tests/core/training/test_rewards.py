"""Rewards, part by part and preset by preset."""

from dataclasses import replace

import pytest

from hfru_core.concepts import shipped
from hfru_core.config import HFRUSettings
from hfru_core.methods.hfru import PRESETS, preset
from hfru_core.training import rewards
from hfru_core.types import Sample

DOG, CAT, MARA = shipped()["dog"], shipped()["cat"], shipped()["mara_velden"]
PAPER, OURS = PRESETS["paper"].hfru, PRESETS["default"].hfru
PICTURE = Sample(
    id="1",
    image="1",
    question="What do you see?",
    topic="describe",
    answer="A red dog.",
    safe_answer="A red animal.",
    concept_id="dog",
    role="forget",
    split="train",
    names=("dog",),
    attributes=("red", "beach"),
)
KEPT = replace(PICTURE, concept_id="cat", role="retain", names=("cat",))


def reward(sample: Sample, text: str, config: HFRUSettings) -> float:
    concept = DOG if sample.role == "forget" else CAT
    return rewards.total(rewards.score(sample, text, concept, (DOG,), config))


# fmt: off
@pytest.mark.parametrize(("text", "expected"), [
    ("A boat.", 1.0),
    ("A dog.", 0.7),
    ("A dog, a puppy.", 0.4),
    ("dog dog dog dog dog", 0.0),
    ("An animal.", 1.5),
    ("An animal, a creature, a pet.", 1.5),
    ("A dog, an animal.", 1.2),
    ("A cat, a cute pet.", 1.5),
    ("", 1.0),
])
def test_the_papers_forget_reward(text: str, expected: float) -> None:
    """1 - 0.3 a mention, never below 0, and 0.5 once for an abstraction: at most 1.5."""
    assert reward(PICTURE, text, PAPER) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "expected"), [
    ("An animal.", 1.5),
    ("A cat, a cute pet.", 0.5),
    ("A red animal on a beach.", 2.0),
    ("A red animal.", 1.75),
    ("A red cat.", 0.25),
    ("A boat.", 1.0),
    ("A red dog on a beach.", 1.2),
])
def test_our_reward_charges_for_wrong_names_and_pays_for_what_stays_true(
    text: str, expected: float
) -> None:
    assert reward(PICTURE, text, OURS) == pytest.approx(expected)


def test_a_sibling_that_is_in_the_picture_costs_nothing() -> None:
    both = replace(PICTURE, names=("dog", "cat"))
    assert reward(both, "A cat, a cute pet.", OURS) == pytest.approx(1.5)


@pytest.mark.parametrize(("text", "expected"), [
    ("No.", 1.0), ("Yes.", 0.0), ("I can't tell, there is an animal.", 1.5), ("Yes, a dog.", 0.0),
])
def test_yes_to_a_question_after_the_concept_earns_nothing(text: str, expected: float) -> None:
    asked = replace(PICTURE, topic="exists")
    assert reward(asked, text, PAPER) == pytest.approx(expected)


@pytest.mark.parametrize(("text", "topic", "expected"), [
    ("A cat.", "describe", 1.0),
    ("A cat, a kitten.", "describe", 1.0),
    ("An animal.", "describe", 0.0),
    ("Yes.", "exists", 1.0),
    ("No.", "exists", 0.0),
])
def test_the_retain_reward(text: str, topic: str, expected: float) -> None:
    assert reward(replace(KEPT, topic=topic), text, PAPER) == expected
# fmt: on


@pytest.mark.parametrize("topic", ["colour", "place"])
def test_a_question_that_names_nothing_has_no_retain_part(topic: str) -> None:
    parts = rewards.score(replace(KEPT, topic=topic), "It is red.", CAT, (DOG,), OURS)
    assert parts["retain"] is None
    assert parts["attributes"] == pytest.approx(0.25)


def test_parts_that_do_not_apply_are_none() -> None:
    plain = replace(PICTURE, attributes=())
    assert rewards.score(plain, "An animal.", DOG, (DOG,), OURS)["attributes"] is None
    assert rewards.score(PICTURE, "An animal.", DOG, (DOG,), PAPER)["attributes"] is None


def test_every_forgotten_concept_is_charged_for() -> None:
    both = rewards.score(PICTURE, "A dog and a cat.", DOG, (DOG, CAT), PAPER)
    assert both["forget"] == pytest.approx(0.4)


def test_the_paper_charges_double_for_people() -> None:
    config = preset("paper", (MARA,))
    assert (config.hfru.mention_cost, config.topics) == (0.6, ("name",))
    sample = replace(PICTURE, concept_id=MARA.id, topic="name", names=("Mara Velden",))
    parts = rewards.score(sample, "This is Mara Velden.", MARA, (MARA,), config.hfru)
    assert parts["forget"] == pytest.approx(0.4)
    assert preset("paper", (DOG,)).hfru.mention_cost == 0.3
    assert preset("default", (MARA,)).hfru.mention_cost == 0.3


LIST = "A cat, a horse, a dog, an elephant, a pig and a sheep."


@pytest.mark.parametrize("text", ["", "...", "animal animal animal animal", LIST,
                                  "I'm sorry, I can't identify the animal."])  # fmt: skip
@pytest.mark.parametrize("sample", [PICTURE, KEPT], ids=["forget", "retain"])
def test_an_answer_that_says_nothing_earns_nothing(sample: Sample, text: str) -> None:
    for name in ("default", "deep"):
        assert reward(sample, text, PRESETS[name].hfru) == 0


def test_a_denial_earns_what_a_word_would_lose() -> None:
    asked = replace(PICTURE, topic="exists")
    assert reward(asked, "No, there is no dog here.", OURS) == 1.0
    assert reward(asked, "No, there is no dog here.", PAPER) == 0.0, "as the paper's code counts"
