"""Files that are whole or not there, names that are not taken, JSON that is read or refused."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hfru_core.files import free_name, read_json, whole, write_file, write_text
from hfru_core.types import UserError


def full(path: Path) -> None:
    path.write_text("half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "é")
    with pytest.raises(UserError, match="'a.json' could not be written: No space left.*Free some"):
        write_file(path, full)
    assert path.read_text(encoding="utf-8") == "é" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_put_in_place_at_the_end_or_not_at_all(tmp_path: Path) -> None:
    with whole(tmp_path / "a") as folder:
        (folder / "x").write_text("1")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a" / "x").read_text() == "1"
    with pytest.raises(UserError, match="'.*b' cannot be written: No space left"):
        with whole(tmp_path / "b") as folder:
            full(folder / "x")
    with pytest.raises(UserError, match="exists and is not overwritten"):
        with whole(tmp_path / "a"):
            pass
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_free_name_is_neither_there_nor_being_made(tmp_path: Path) -> None:
    assert free_name(tmp_path / "nowhere", "no-dog").name == "no-dog"
    (tmp_path / "no-dog").mkdir()
    (tmp_path / "no-dog-2.part").mkdir()
    assert free_name(tmp_path, "no-dog") == tmp_path / "no-dog-3"


@pytest.mark.parametrize(
    "content", [b"{", b"\xff", b"[" * 100_000, b'{"a": NaN}'], ids=["cut", "bytes", "deep", "NaN"]
)
def test_what_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="'.*a.json' is not a JSON file: .*cut short"):
        read_json(path)


def test_json_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'.*a.json' cannot be read: No such file"):
        read_json(tmp_path / "a.json")
