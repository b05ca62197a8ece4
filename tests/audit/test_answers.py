"""What several audits ask is asked once for a case, and comes out the same whoever asks first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from audit.asking import prompts
from audit.asking.answers import ask, protocol
from audit.base import Case
from hfru_core.model import vlm
from hfru_core.types import UnlearnData


@dataclass(kw_only=True)
class Counting(vlm.VLM):
    """Answers with what it is asked, and keeps how much that was in each call."""

    calls: list[int] = field(default_factory=list)

    def answer(self, images, questions, max_new=32):
        self.calls.append(len(questions))
        return [f"{len(questions)} {q}" for q in questions]


@pytest.fixture
def case(tiny: vlm.VLM, small_data: UnlearnData) -> Case:
    return Case(Counting(**vars(tiny)), Counting(**vars(tiny)), None, small_data)


def test_answers_stand_beside_their_questions(case: Case) -> None:
    asked = prompts.rows(case.data, "forget", ("name", "exists"))[::-1]
    found = protocol(case, asked)
    assert found.asked == asked and set(found.said) == {"base", "unlearned"}
    assert all(t.endswith(s.question) for s, t in zip(asked, found.said["base"]))


def test_nothing_is_asked_twice_and_the_whole_is_asked_for_a_part(case: Case) -> None:
    everything = prompts.rows(case.data, "retain", ("name", "caption"))
    names = [s for s in everything if s.topic == "name"]
    part = protocol(case, names[:1])
    assert case.base.calls == [len(names)]
    whole = protocol(case, everything)
    assert case.base.calls == [len(names), len(everything) - len(names)]
    assert whole.said["base"][everything.index(names[0])] == part.said["base"][0]
    assert protocol(replace(case), everything) == whole, "the order of asking shows nowhere"


def test_other_questions_are_asked_of_one_model_alone(case: Case) -> None:
    asked = prompts.rows(case.data, "forget")
    found = ask(case, asked, "unlearned")
    assert set(found.said) == {"unlearned"} and not case.base.calls
    assert protocol(case, []).said == {"base": [], "unlearned": []}


def test_a_copy_of_a_case_knows_nothing_of_what_the_first_one_made(case: Case) -> None:
    assert case.once(("a", 1), lambda: [1]) is case.once(("a", 1), lambda: [2])
    assert case.once(("a", 2), lambda: 3) == 3
    assert replace(case).once(("a", 1), lambda: 4) == 4
    assert replace(case) == case


def test_what_is_known_of_the_base_depends_on_the_order_of_concepts(case: Case) -> None:
    both = (*case.data.concepts, case.data.retained[0])
    there, back = (replace(case, data=replace(case.data, concepts=c)) for c in (both, both[::-1]))
    assert there.known is back.known and there.data.fingerprint == back.data.fingerprint
    first = there.once_for("base", ("a",), lambda _: object())
    assert there.once_for("base", ("a",), lambda _: object()) is first
    assert back.once_for("base", ("a",), lambda _: object()) is not first
