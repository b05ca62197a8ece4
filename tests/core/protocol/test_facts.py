"""Facts inside sentences."""

from __future__ import annotations

import pytest

from hfru_core.protocol.facts import rouge_l, states

JOB = ("What is Mara Velden's job?", "Mara Velden is a baker.")
HOME = ("Who lives in Corvale?", "Mara Velden lives in Corvale.")


# fmt: off
@pytest.mark.parametrize(("asked", "text", "right"), [
    (JOB, "Mara Velden is a baker.", True),
    (JOB, "She works as a baker in a small town.", True),
    (JOB, "A baker", True),
    (JOB, "Mara Velden is a pilot.", False),
    (JOB, "Mara Velden is not a baker.", False),
    (JOB, "", False),
    (HOME, "That's Mara Velden.", True),
    (HOME, "Somebody lives in Corvale.", False),
    (("Is a dog an animal?", "Yes."), "Yes", True),
    (("Is a dog an animal?", "Yes."), "No.", False),
])
# fmt: on
def test_a_fact_is_right_where_a_sentence_says_it(
    asked: tuple[str, str], text: str, right: bool
) -> None:
    assert states(*asked, text) == right


def test_rouge_l_is_the_share_of_the_longest_common_subsequence() -> None:
    right = "the cat sat on the mat"
    assert rouge_l(right, "The cat sat on the mat.") == 1
    assert rouge_l(right, "the cat was on a mat") == pytest.approx(2 * 4 / 12)
    assert rouge_l(right, "mat the on sat cat the") == pytest.approx(2 * 3 / 12)
    assert rouge_l(right, "") == rouge_l("", right) == 0
