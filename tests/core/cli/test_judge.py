"""The command that judges answers of models that run elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hfru_core.cli.main import main

CONCEPTS = {
    "dog": {"name": "dog", "kind": "object", "aliases": ["dog"], "abstractions": ["animal"],
            "siblings": ["cat"]},
}  # fmt: skip
ROWS = [
    {"concept": "dog", "topic": "exists", "text": "No, there is no dog in the image.", "id": 7},
    {"concept": "dog", "topic": "describe", "text": "A cat.", "present": ["cat"]},
    {"concept": "dog", "topic": "describe", "text": "一只狗。"},
]


def judged(tmp_path: Path, rows: list[object], *options: str) -> int:
    (tmp_path / "concepts.json").write_text(json.dumps(CONCEPTS))
    lines = (r if isinstance(r, str) else json.dumps(r) for r in rows)
    (tmp_path / "answers.jsonl").write_text("\n".join(lines))
    concepts = str(tmp_path / "concepts.json")
    return main(["judge", str(tmp_path / "answers.jsonl"), "--concepts", concepts, *options])


def test_rows_come_back_with_what_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(tmp_path, ROWS, "--json") == 0
    said, told = capsys.readouterr()
    denied, cat, foreign, summary = map(json.loads, said.splitlines())
    assert denied["id"] == 7 and denied["named"] is False and denied["hallucinated"] is False
    assert denied["evidence"]["names"][0]["standing"] == "denied"
    assert cat["hallucinated"] is False, "it is there"
    assert foreign["named"] is None and "Chinese" in foreign["problem"]
    assert summary["n"] == 3 and summary["unjudged"] == 1 and summary["named"] == 0
    assert "1 of 3 answers are not judged" in told


def test_other_languages_count_what_the_file_lists_and_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hund = {"name": "Hund", "kind": "object", "aliases": ["Hund"], "abstractions": ["Tier"],
            "siblings": ["Katze"]}  # fmt: skip
    vogel = {**hund, "name": "Vogel", "aliases": ["Vogel", "Papagei"], "siblings": ["Fisch"]}
    monkeypatch.setitem(CONCEPTS, "hund", hund)
    monkeypatch.setitem(CONCEPTS, "vogel", vogel)
    row = {"concept": "hund", "topic": "describe", "text": "Ein Hund und zwei Papageien."}
    given = [row, {**row, "present": ["Hund"]}, {**row, "present": ["Hund", "Papagei"]}]
    assert judged(tmp_path, given) == 0
    rows = map(json.loads, capsys.readouterr().out.splitlines())
    assert [r["hallucinated"] for r in rows] == [False, True, False]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[1]", "expected an object"),
        ({"concept": "dog", "topic": "describe"}, "expected an object with the texts"),
        ({"concept": "cow", "topic": "describe", "text": "x"}, "'cow' is no concept"),
        ({"concept": "dog", "topic": "x", "text": "x", "present": "dog"}, "present must be a list"),
    ],
)
def test_a_bad_row_is_told_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: object, message: str
) -> None:
    assert judged(tmp_path, [row]) == 2
    assert message in capsys.readouterr().err
