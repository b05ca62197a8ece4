"""What was seen of a large model is kept, so that an audit that was stopped goes on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from audit import __main__ as command
from audit.base import Case, Finding
from audit.keys import FindingKey
from audit.results import Results
from hfru_core.model import precision, vlm
from hfru_core.types import UserError

VALUES = {
    "answers": ["A dog.", ""],
    "nothing": None,
    "nested": {"nf4": (["a"], ["b"])},
    "features": {"tower 0": np.arange(6, dtype=np.float32).reshape(2, 3)},
    "maps": {"dog": (torch.ones(2, 2, dtype=torch.bfloat16), (0, 3))},
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    value, made = VALUES[kind], []
    results = Results(tmp_path / "out.part", "a")
    first = results.once((kind,), lambda: made.append(1) or value)
    again = Results(tmp_path / "out.part", "a").once((kind,), lambda: made.append(1))
    assert made == [1] and repr(again) == repr(first) == repr(value)
    Results(tmp_path / "out.part", "another audit").once((kind,), lambda: made.append(1) or 0)
    assert made == [1, 1]


def test_what_cannot_be_kept_is_made_again_and_a_cut_file_too(tmp_path: Path) -> None:
    results, made = Results(tmp_path / "out.part", "a"), []
    for _ in range(2):
        assert results.once(("object",), lambda: made.append(1) or object())
    assert made == [1, 1] and not (tmp_path / "out.part").exists()
    results.once(("text",), lambda: "whole")
    (file,) = [f for f in (tmp_path / "out.part").glob("*.json") if f.name != "subject.json"]
    file.write_text('{"list": [')
    assert results.once(("text",), lambda: "made again") == "made again"


def test_what_is_no_audits_is_not_removed(tmp_path: Path) -> None:
    """An unfinished session for the same --out has its checkpoint there."""
    checkpoint = tmp_path / "out.part" / "session.json"
    checkpoint.parent.mkdir()
    checkpoint.write_text("{}")
    with pytest.raises(UserError, match="is no audit's.*another --out"):
        Results(tmp_path / "out.part", "a")
    assert checkpoint.is_file()


def test_a_stopped_audit_goes_on_from_what_it_saw(
    tiny_folder: Path,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    seen: list[str] = []
    stopping = [True]

    def look(model: vlm.VLM) -> list[str]:
        seen.append(model.name)
        return model.answer([None], ["What is a dog?"])

    def first(case: Case) -> Iterator[Finding]:
        for name in case.models:
            case.once_for(name, ("said",), look)
        yield Finding("behavior", FindingKey.ABSTRACTION, "said", "info", "higher")

    def second(case: Case) -> Iterator[Finding]:
        if stopping:
            raise KeyboardInterrupt
        yield Finding("behavior", FindingKey.ATTRIBUTES, "done", "info", "higher")

    monkeypatch.setattr(command, "suite", lambda deep: ({"a": first, "b": second}, ()))
    monkeypatch.setattr(precision, "LARGE", 1)
    given = [trained, "--model", tiny_folder, "--pictures", 2, "--out", tmp_path / "out"]
    arguments = [str(g) for g in given]
    assert command.main(arguments) == 130 and len(seen) == 2
    assert re.search(r"About \d+ \w+ on this machine, and up to 1\.5 GB", capsys.readouterr().err)
    assert [p.name for p in tmp_path.iterdir()] == ["out.part"]
    stopping.clear()
    assert command.main(arguments) == 3 and len(seen) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
