"""Instruction data in LLaMA-Factory's layouts: which picture goes by which name."""

import json
import logging
from pathlib import Path

import pytest

from hfru_core.data.source import parse_source
from hfru_core.types import Photo, UserError
from tests.core.data.pictures import picture


def alpaca(path: str, output: str, **more: object) -> dict:
    ask = {"instruction": "<image>Please describe this image.", "input": ""}
    return ask | {"output": output, "images": [path]} | more


def sharegpt(path: str, output: str) -> dict:
    turns = [{"from": "human", "value": "<image>A cat?"}, {"from": "gpt", "value": output}]
    return {"conversations": turns, "images": [path]}


def put(folder: Path, name: str, rows: list) -> Path:
    for number in range(24):
        (folder / "pictures").mkdir(exist_ok=True)
        (folder / "pictures" / f"{number}.png").write_bytes(picture(number))
    lines = name.endswith(".jsonl")
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
    (folder / name).write_text(text)
    return folder / name


def read(source: str) -> dict[str, Photo]:
    photos = parse_source(source).read()  # type: ignore[attr-defined]  # it is of files
    return {Path(p.key).name: p for p in photos}


@pytest.mark.parametrize("name", ["x_train.json", "x.jsonl"])
@pytest.mark.parametrize("row", [alpaca, sharegpt])
def test_a_picture_goes_by_the_one_name_in_the_answers(
    name: str, row: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = ("Two puppies play.", "An elephant walks.", "A dog beside a cat.", "The sky.")
    rows = [row(f"./data/pictures/{n}.png", said[n % 4]) for n in range(24)]  # type: ignore[operator]
    with caplog.at_level(logging.WARNING):
        found = read(f"json:{put(tmp_path, name, rows)}")
    assert {p.name for p in found.values()} == {"dog", "elephant"} and len(found) == 12
    assert all(p.name == ("dog", "elephant")[int(n[:-4]) % 4] for n, p in found.items())
    assert "12 pictures" in caplog.text and "no label" in caplog.text


def test_names_labels_and_folders_can_be_told(tmp_path: Path) -> None:
    rows = [alpaca(f"{n}.png", ("A newt.", "Some moss.")[n % 2], kind="pond") for n in range(12)]
    rows += [alpaca(f"{n}.png", "Water.", kind="lake") for n in range(12, 24)]
    file = put(tmp_path, "test.json", rows)
    found = read(f"json:{file}#images={tmp_path / 'pictures'},names=newt|moss")
    assert {p.name for p in found.values()} == {"newt", "moss"} and len(found) == 12
    found = read(f"json:{file}#images={tmp_path / 'pictures'},label=kind")
    assert {p.name for p in found.values()} == {"pond", "lake"}


def test_missing_pictures_are_named_and_none_is_read_elsewhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret.png").write_bytes(picture(99))
    (tmp_path / "set").mkdir()
    rows = [alpaca(f"pictures/{n}.png", "A dog.") for n in range(6)]
    strange = (str(tmp_path / "secret.png"), "../secret.png", "gone.png")
    rows += [alpaca(path, "A cat.") for path in strange]
    rows += [alpaca("a", "A cat.", images=["pictures/7.png", "pictures/8.png"])]
    with caplog.at_level(logging.WARNING):
        found = read(f"json:{put(tmp_path / 'set', 'x.json', rows)}")
    assert "3 pictures skipped" in caplog.text and "'gone.png' is missing" in caplog.text
    assert {f"{n}.png" for n in range(6)} <= set(found) and "secret.png" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "expected a list of rows"), ("[1]", "expected an object"), ("[", "not a JSON file"),
     ("[]", "has no labelled picture"), ('[{"images": 7, "output": 5}]', "has no labelled picture"),
     ('[{"images": ["a"], "messages": [7], "output": null}]', "has no labelled picture")],
)  # fmt: skip
def test_other_files_are_refused_in_a_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        parse_source(f"json:{tmp_path / 'x.json'}").known_concepts()
    assert "\n" not in str(error.value)
