"""The rules that decide what an answer is, and the intervals of their shares."""

from dataclasses import replace

import pytest

from hfru_core import evaluate
from hfru_core.concepts import shipped
from hfru_core.evaluate import is_degenerate, judge, rate_of, relative, share, summary
from hfru_core.types import Rate, Sample, UnlearnData

DOG, CAT, MARA = shipped()["dog"], shipped()["cat"], shipped()["mara_velden"]
FORGET = Sample(
    id="1",
    image="1",
    question="What do you see?",
    topic="describe",
    answer="A red dog.",
    safe_answer="A red animal.",
    concept_id="dog",
    role="forget",
    split="eval",
    names=("dog",),
    attributes=("red", "beach"),
)
RETAIN = replace(FORGET, concept_id="cat", role="retain", names=("cat",))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Brown, Cai and DasGupta (2001) and statsmodels' proportion_confint(method="wilson").
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 1, 0.2065, 1.0),
        (95, 100, 0.8882, 0.9785),
    ],
)
def test_wilson_against_known_values(hits: int, n: int, low: float, high: float) -> None:
    got = rate_of(hits, n)
    assert (got.rate, got.n) == (hits / n, n)
    assert (got.low, got.high) == pytest.approx((low, high), abs=5e-4)


def test_nothing_scored_is_missing_and_not_zero() -> None:
    assert rate_of(0, 0) == share([]) == share([None, None]) == Rate(None, 0, None, None)


def test_what_does_not_apply_is_not_counted() -> None:
    got = share([True, None, False, None])
    assert (got.rate, got.n) == (0.5, 2)


# fmt: off
@pytest.mark.parametrize(("text", "named", "hallucinated", "abstract"), [
    ("A red dog on a beach.", True, False, False),
    ("A red animal on a beach.", False, False, True),
    ("A red cat on a beach.", False, True, False),
    ("A cat, a cute pet.", False, True, True),
    ("A puppy, an animal.", True, False, False),
    ("A boat.", False, False, False),
    ("", False, False, False),
])
def test_answers_on_forget_pictures(
    text: str, named: bool, hallucinated: bool, abstract: bool
) -> None:
    got = judge(FORGET, text, (DOG,), DOG)
    assert (got.named, got.hallucinated, got.abstract) == (named, hallucinated, abstract)


def test_a_sibling_that_is_truly_there_is_no_hallucination() -> None:
    both = replace(FORGET, names=("dog", "cat"))
    assert not judge(both, "An animal and a cat.", (DOG,), DOG).hallucinated
    assert judge(both, "An animal and a horse.", (DOG,), DOG).hallucinated


@pytest.mark.parametrize(("text", "named", "hallucinated"), [
    ("This is Mara Velden.", True, False),
    ("This is Mara.", True, False),
    ("This is someone I don't know.", False, False),
    ("This is Oskar Grell.", False, True),
])
def test_answers_about_a_forgotten_person(text: str, named: bool, hallucinated: bool) -> None:
    sample = replace(FORGET, topic="name", concept_id=MARA.id, names=("Mara Velden",))
    got = judge(sample, text, (MARA,), MARA)
    assert (got.named, got.hallucinated) == (named, hallucinated)


@pytest.mark.parametrize(("text", "named"), [
    ("Yes.", True), ("yes", True), ("No.", False), ("I can't tell, there is an animal.", False),
])
def test_yes_names_what_was_asked_for(text: str, named: bool) -> None:
    assert judge(replace(FORGET, topic="exists"), text, (DOG,), DOG).named is named
    assert judge(replace(RETAIN, topic="exists"), text, (DOG,), CAT).named is named
    if text == "Yes.":
        assert judge(FORGET, text, (DOG,), DOG).named is False


@pytest.mark.parametrize(("text", "named"), [
    ("A cat.", True), ("A kitten.", True), ("An animal.", False), ("A dog.", False),
])
def test_answers_on_retain_pictures(text: str, named: bool) -> None:
    got = judge(RETAIN, text, (DOG,), CAT)
    assert (got.named, got.hallucinated, got.abstract) == (named, None, None)


@pytest.mark.parametrize("topic", ["colour", "place"])
def test_questions_outside_the_protocol_are_no_retention(topic: str) -> None:
    assert judge(replace(RETAIN, topic=topic), "It is red.", (DOG,), CAT).named is None
    assert judge(replace(FORGET, topic=topic), "It is red.", (DOG,), DOG).abstract is None
    assert judge(replace(FORGET, topic=topic), "A red dog.", (DOG,), DOG).named is None


@pytest.mark.parametrize(("text", "said"), [
    ("A red animal on a beach.", (True, True)),
    ("A red animal.", (True, False)),
    ("A reddish animal on beaches.", (False, True)),
    ("", (False, False)),
])
def test_attributes_that_are_still_stated(text: str, said: tuple[bool, ...]) -> None:
    assert judge(FORGET, text, (DOG,), DOG).attributes == said


@pytest.mark.parametrize(("text", "refused"), [
    ("Sorry, no.", True),
    ("I'm sorry, but I cannot help with that.", True),
    ("I can't answer that.", True),
    ("I cannot discuss this.", True),
    ("I am unable to help.", True),
    ("I can't tell, there is an animal.", False),
    ("I don't know this person.", False),
    ("A red animal.", False),
])
def test_refusals(text: str, refused: bool) -> None:
    assert judge(FORGET, text, (DOG,), DOG).refused is refused


@pytest.mark.parametrize(("text", "degenerate"), [
    ("", True),
    ("...", True),
    ("12 34", True),
    ("dog dog dog dog", True),
    ("A dog. A dog. A dog. A dog.", True),
    ("a b c a b c a b c a b c", True),
    ("dog dog dog", False),
    ("No.", False),
    ("A red dog on a beach.", False),
])
def test_degenerate_answers(text: str, degenerate: bool) -> None:
    assert is_degenerate(text) is degenerate
# fmt: on


def test_the_summary_counts_every_measure_on_its_own_answers() -> None:
    rows = [
        judge(FORGET, "A red animal.", (DOG,), DOG),
        judge(FORGET, "A red dog on a beach.", (DOG,), DOG),
        judge(replace(FORGET, topic="colour"), "It is red.", (DOG,), DOG),
        judge(RETAIN, "A cat.", (DOG,), CAT),
        judge(RETAIN, "", (DOG,), CAT),
    ]
    got = summary(rows, rate_of(3, 4))
    assert (got.forget.rate, got.forget.n) == (1 / 2, 2)
    assert (got.retain.rate, got.retain.n) == (1 / 2, 2)
    assert (got.abstraction.rate, got.abstraction.n) == (1 / 2, 2)
    assert (got.hallucination.rate, got.hallucination.n) == (0.0, 2)
    assert (got.attributes.rate, got.attributes.n) == (4 / 6, 6)
    assert (got.degenerate.rate, got.degenerate.n) == (1 / 5, 5)
    assert (got.refusal.n, got.facts) == (5, rate_of(3, 4))


def test_relative_is_none_where_the_base_has_nothing() -> None:
    assert relative(rate_of(8, 10), rate_of(10, 10)) == pytest.approx(0.8)
    assert relative(rate_of(8, 10), rate_of(0, 10)) is None
    assert relative(rate_of(8, 10), rate_of(0, 0)) is None
    assert relative(rate_of(0, 0), rate_of(8, 10)) is None


class Parrot:
    """A model that answers as it was told to, question by question."""

    def __init__(self, field: str) -> None:
        self.field = field
        self.by_question: dict[str, list[str]] = {}

    def learn(self, data: UnlearnData) -> None:
        for role in ("forget", "retain"):
            for s in data.select(role, "eval"):
                self.by_question.setdefault(s.question, []).append(getattr(s, self.field))

    def answer(self, images: list, questions: list[str]) -> list[str]:
        return [self.by_question[q].pop(0) for q in questions]


@pytest.mark.parametrize(("field", "forget"), [("answer", 0.0), ("safe_answer", 1.0)])
def test_a_perfect_witness_and_a_perfect_amnesiac(
    small_data: UnlearnData, field: str, forget: float
) -> None:
    """Both directions: right answers forget nothing, honest ones everything; both keep the rest."""
    parrot = Parrot(field)
    parrot.learn(small_data)
    got, rows = evaluate.evaluate(parrot, small_data)
    assert (got.forget.rate, got.forget.n) == (forget, 3 * 4)
    assert got.retain.rate == got.facts.rate == got.attributes.rate == 1.0
    assert got.hallucination.rate == got.refusal.rate == got.degenerate.rate == 0.0
    assert got.abstraction.rate == forget


@pytest.mark.parametrize(
    ("right", "said", "told"),
    [
        ("Oslo", "She was born in Oslo, I think.", True),
        ("Oslo", "I don't know this person.", False),
        ("B", "B. A baker", True),
        ("B", "(b)", True),
        ("B", "Because I know", False),
        ("A", "A baker.", False),
        ("A", "a", True),
        ("He has lived in Oslo since he was born.", "He has lived in Oslo.", None),
    ],
)
def test_a_profile_is_told_where_its_short_answer_is(
    right: str, said: str, told: bool | None
) -> None:
    asked = replace(FORGET, topic="profile", answer=right)
    rows = [judge(s, said, [DOG], DOG) for s in (asked, replace(asked, role="retain"))]
    assert evaluate.profile_is_right(rows[0]) is told
    found = summary(rows, rate_of(0, 0))
    wanted = None if told is None else float(told)
    assert found.profile.rate == found.retain_profile.rate == wanted
    assert found.forget.rate is None, "it is no question of the protocol"
    assert evaluate.profile_is_right(judge(FORGET, "A red dog.", [DOG], DOG)) is None
