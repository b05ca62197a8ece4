"""How much may lie where: of a visitor, of all, and for how long."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hfru_core.studio.server import quota
from hfru_core.studio.sessions.studio import Studio
from hfru_core.types import UserError

OLD = time.time() - 2 * quota.DAY


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    quota.full.cache_clear()
    return Studio(data_folder=tmp_path / "data")


def written(folder: Path, name: str, changed: float | None = None) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    if changed:
        os.utime(path, (changed, changed))
    return path


def test_a_visitor_has_an_end_and_the_next_one_has_not(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MOST_BYTES", 1500)
    written(studio.folder("ann"), "own/a/1.png")
    studio.check_space("ann")
    written(studio.folder("ann"), "own/a/2.png")
    with pytest.raises(UserError, match="which is the most"):
        studio.check_space("ann")
    with pytest.raises(UserError, match="which is the most"):
        studio.room("ann", "x")
    studio.check_space("bob")


def test_all_together_have_an_end(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "LOOK_AGAIN", 1e-9)
    studio.check_space("ann")
    monkeypatch.setattr(quota, "MOST_OF_ALL", 500)
    written(studio.folder("bob"), "x")
    with pytest.raises(UserError, match="no room for more"):
        studio.check_space("ann")


def test_files_count_as_well_as_bytes(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million files of one byte take a million inodes."""
    monkeypatch.setattr(quota, "MOST_FILES", 2)
    written(studio.folder("ann"), "a")
    studio.check_space("ann")
    written(studio.folder("ann"), "b")
    with pytest.raises(UserError, match="which is the most"):
        studio.check_space("ann")
    studio.check_space("bob")
    monkeypatch.setattr(quota, "LOOK_AGAIN", 1e-9)
    monkeypatch.setattr(quota, "MOST_FILES_OF_ALL", 2)
    with pytest.raises(UserError, match="no room for more"):
        studio.check_space("bob")


def test_a_disk_that_is_nearly_full_is_left_alone(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "LEAST_FREE", 2**60)
    with pytest.raises(UserError, match="no room for more"):
        studio.check_space("ann")


def test_what_is_old_goes_and_what_is_used_stays(studio: Studio) -> None:
    written(studio.folder("old"), "runs/a/x", OLD)
    used = written(studio.folder("used"), "runs/a/deep/x")
    written(studio.folder("used"), "runs/a/y", OLD)
    os.utime(studio.folder("used"), (OLD, OLD))
    studio.sweep()
    assert not (studio.sessions / "old").exists() and used.exists()


def test_leftovers_of_uploads_go_and_what_the_page_needs_stays(studio: Studio) -> None:
    broken = written(studio.cache, "tmpabc", OLD)
    needed = written(studio.cache, "hash/picture.webp", OLD)
    empty = studio.cache / "gone"
    empty.mkdir()
    for folder in (empty, needed.parent):
        os.utime(folder, (OLD, OLD))
    fresh = written(studio.cache, "tmpdef")
    studio.sweep()
    assert needed.exists() and fresh.exists() and not broken.exists() and not empty.exists()


def test_files_that_go_away_meanwhile_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert quota.bytes_in(tmp_path) < 200 and quota.bytes_in(tmp_path / "none") == 0
    quota.expire(tmp_path / "none", 0)
    quota.clear_leftovers(tmp_path / "none", 0)
