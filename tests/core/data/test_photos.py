"""Folders as people have them: what is found, what is left out, and on which side it lies."""

import logging
from pathlib import Path

import pytest

from hfru_core.data.photos import read_folder
from hfru_core.types import Photo, UserError
from tests.core.data.pictures import picture


def put(root: Path, **files: bytes) -> None:
    for place, data in files.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(data)


def sides(photos: tuple[Photo, ...]) -> dict[str, bool]:
    """Whether each file is held out, by its name."""
    return {Path(p.key).name: p.held_out for p in photos}


def two_labels(root: Path, count: int = 4) -> None:
    for label in (0, 1):
        put(root, **{f"{'ab'[label]}/{n}.png": picture(100 * label + n) for n in range(count)})


def test_what_systems_leave_behind_is_no_picture(tmp_path: Path) -> None:
    two_labels(tmp_path)
    litter = ("a/._0.png", ".ipynb_checkpoints/0.png", "__MACOSX/a/0.png", "a/Thumbs.db")
    put(tmp_path, **dict.fromkeys(litter, b"x"))
    photos = read_folder(tmp_path)
    assert len(photos) == 8 and {p.name for p in photos} == {"a", "b"}


@pytest.mark.parametrize("place", ["{split}/{label}", "{label}/{split}"])
def test_a_split_above_or_below_the_labels_is_kept(place: str, tmp_path: Path) -> None:
    for number, split in enumerate(("train", "val", "test")):
        for label in "ab":
            folder = place.format(split=split, label=label)
            seed = 10 * number + ord(label)
            put(tmp_path, **{f"{folder}/{split}{n}{label}.png": picture(seed + 1000 * n)
                             for n in range(2)})  # fmt: skip
    photos = read_folder(tmp_path)
    assert {p.name for p in photos} == {"a", "b"}
    held_out = sides(photos)
    assert len(held_out) == 12
    assert all(held == (not name.startswith("train")) for name, held in held_out.items())


def test_copies_are_left_out_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    two_labels(tmp_path)
    put(tmp_path, **{f"a/copy{n}.png": picture(0) for n in range(3)})
    assert len(read_folder(tmp_path)) == 8
    assert "3 pictures in" in caplog.text and "twice" in caplog.text


def test_near_copies_are_on_one_side_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each picture is there once more, compressed: half of the pairs' second file may not stray."""
    for label, start in (("a", 0), ("b", 50)):
        for n in range(start, start + 20):
            put(tmp_path, **{f"{label}/{n}.png": picture(n),
                             f"{label}/{n}.jpg": picture(n, "JPEG", quality=60)})  # fmt: skip
    held_out = sides(read_folder(tmp_path))
    assert all(held_out[f"{n}.png"] == held_out[f"{n}.jpg"] for n in (*range(20), *range(50, 70)))
    assert 2 <= sum(held_out.values()) <= 12
    assert "40 pictures in" in caplog.text and "nearly the same" in caplog.text


def test_a_near_copy_in_the_test_folder_takes_the_others_with_it(tmp_path: Path) -> None:
    for n in range(4):
        put(tmp_path, **{f"train/a/{n}.png": picture(n), f"train/b/{n}.png": picture(90 + n)})
    put(tmp_path, **{"test/a/0.jpg": picture(0, "JPEG", quality=60)})
    held_out = {p.key.removeprefix(f"file:{tmp_path}/"): p.held_out for p in read_folder(tmp_path)}
    assert held_out["test/a/0.jpg"] and held_out["train/a/0.png"]
    assert not held_out["train/a/1.png"]


def test_a_bad_picture_is_named_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two_labels(tmp_path)
    put(tmp_path, **{"a/bad.png": b"no picture", "b/new.heic": b"none either"})
    with caplog.at_level(logging.WARNING):
        assert len(read_folder(tmp_path)) == 8
    assert "2 pictures skipped" in caplog.text
    assert "bad.png" in caplog.text and "new.heic" in caplog.text


def test_pictures_that_are_all_bad_are_refused(tmp_path: Path) -> None:
    put(tmp_path, **{"a/bad.png": b"no picture"})
    with pytest.raises(UserError, match="has no pictures"):
        read_folder(tmp_path)


def test_names_keep_their_symbols_apart(tmp_path: Path) -> None:
    for number, name in enumerate(("C++", "C#", "T-shirt", "狗", "Orba\u0301n")):
        put(tmp_path, **{f"{name}/{n}.png": picture(10 * number + n) for n in range(2)})
    assert {p.name for p in read_folder(tmp_path)} == {"c++", "c#", "t-shirt", "狗", "orb\u00e1n"}
