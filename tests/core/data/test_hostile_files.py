"""Whatever a library raises over somebody's data files ends in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest

from hfru_core.cli.main import main
from hfru_core.data.source import load_image, parse_source
from hfru_core.types import UserError
from tests.conftest import ROOT


def clear(folder: Path, **columns: list[Any]) -> str:
    """A folder like CLEAR's with two rows a split; some columns hold something else."""
    fine = {"image": [{"bytes": b"1", "path": ""}] * 2, "caption": ["a", "b"], "name": ["A B"] * 2}
    for split in ("forget01", "retain99"):
        (folder / split).mkdir()
        parquet.write_table(pyarrow.table(fine | columns), folder / split / "0.parquet")
    return f"clear:{folder}"


def mllmu(folder: Path, **columns: list[Any]) -> str:
    fine = {"ID": ["1"], "image": [{"bytes": b"1"}], "biography": ['{"Name": "A B"}']}
    for split in ("forget_5", "retain_95"):
        (folder / split).mkdir()
        parquet.write_table(pyarrow.table(fine | columns), folder / split / "0.parquet")
    return f"mllmu:{folder}"


def pacs(folder: Path, **columns: list[Any]) -> str:
    fine = {"image": [{"bytes": b"1"}], "domain": ["photo"], "label": [0]}
    parquet.write_table(pyarrow.table(fine | columns), folder / "a.parquet")
    return f"pacs:{folder / 'a.parquet'}"


def concept(folder: Path, text: bytes) -> str:
    (folder / "dog").mkdir()
    (folder / "dog" / "a.png").write_bytes(b"no picture")
    (folder / "dog" / "concept.json").write_bytes(text)
    return f"folder:{folder}"


def unreadable(folder: Path) -> str:
    for split in ("forget01", "retain99"):
        (folder / split).mkdir()
        (folder / split / "0.parquet").mkdir()
    return f"clear:{folder}"


HOSTILE: dict[str, Callable[[Path], str]] = {
    "ids that are lists": lambda f: mllmu(f, ID=[[1]]),
    "options that are lists": lambda f: mllmu(
        f, Classification_Task=['{"a": [{"Question": "x", "Correct_Answer": "A", "Options": [1]}]}']
    ),
    "tasks that are numbers": lambda f: mllmu(f, Classification_Task=['{"a": 7}']),
    "deep JSON": lambda f: mllmu(f, biography=["[" * 100_000]),
    "pictures that are numbers": lambda f: clear(f, image=[1, 2]),
    "questions that are numbers": lambda f: clear(
        f, image=[None, None], question=[1, 2], answer=[{"a": 1}, {"a": 2}]
    ),
    "text that is no UTF-8": lambda f: clear(f, name=pyarrow.array([b"\xff", b"\xff"])),
    "folders for files": unreadable,
    "PACS: no bytes": lambda f: pacs(f, image=[{"bytes": None}]),
    "PACS: text for bytes": lambda f: pacs(f, image=[{"bytes": "x"}]),
    "PACS: text for a label": lambda f: pacs(f, label=["dog"]),
    "PACS: unknown style": lambda f: pacs(f, domain=["\x00"]),
    "a concept that is a list": lambda f: concept(f, b"[1]"),
    "a concept that is no text": lambda f: concept(f, b"\xff\xfe"),
    "a deep concept": lambda f: concept(f, b"[" * 100_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_commands_tell_in_a_line_what_is_wrong_with_the_data(
    name: str, tiny_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    source = HOSTILE[name](tmp_path / "data")
    more = ["--device", "cpu", "--model", str(tiny_folder), "--data", source, "--forget", "dog"]
    assert main(["evaluate", *more]) == 2
    said = capfd.readouterr().err
    assert "Traceback" not in said and said.count("error: ") == 1


@pytest.mark.parametrize("key", ["clear:{}#0", "file:{}", "pacs:{}#0", "{}"])
def test_a_picture_that_is_gone_or_none_is_told(key: str, tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(UserError):
            load_image(key.format(path))


def test_an_interrupt_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = parse_source(pacs(tmp_path))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        source.known_concepts()


PEAK = """
import resource, sys
from hfru_core.data.source import parse_source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    parse_source(sys.argv[1]).known_concepts()
except ValueError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize(
    "captions",
    [["x" * 600_000_000, "b"], ["y" * 200_000] * 1_000],
    ids=["one long text", "one text a thousand times"],
)
def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path: Path, captions: list[str]) -> None:
    """They took 3,458 MB and 791 MB."""
    n = len(captions)
    picture = [{"bytes": b"1", "path": ""}] * n
    source = clear(tmp_path, caption=captions, image=picture, name=["A B"] * n)
    asked = [sys.executable, "-c", PEAK, source]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=120)
    said, peak = done.stdout.strip().split("\n")
    assert "expected" in said and float(peak) < 400, done.stdout
