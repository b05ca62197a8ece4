"""Class by class: what the original and the unlearned model call each thing."""

from __future__ import annotations

import pytest

from audit.asking.answers import Answers
from audit.base import Case
from audit.checks import confusion
from audit.report import drawings
from hfru_core.concepts import shipped
from hfru_core.data.build import build
from hfru_core.data.samples import Amount
from hfru_core.types import Sample


def test_each_class_is_told_by_what_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    data = build((shipped()["dog"],), amount=Amount(2, 2, 4, 30))

    def told(case: object, rows: list[Sample]) -> Answers:
        own = [f"A {s.names[0]}." for s in rows]
        lost = ["A cat." if s.role == "forget" else text for s, text in zip(rows, own)]
        return Answers(data, rows, {"base": own, "unlearned": lost})

    monkeypatch.setattr(confusion, "protocol", told)
    case = Case(None, None, None, data)  # type: ignore[arg-type]  # nobody is asked
    (found,) = confusion.confusion(case)
    named = {s.name: s.x[0] for s in found.series}
    assert named["unlearned dog -> cat"] == named["base dog -> dog"] == 4
    assert found.base.value == 1 and found.unlearned.value < 1
    shown = drawings.svg(found)
    assert "dog 4</td><td class=fails>cat 4" in shown
