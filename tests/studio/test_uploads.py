"""Uploads over HTTP: taken and deleted where their sender names them, gone when they left."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import gradio as gr
import pytest

from hfru_core.adapters import archive
from hfru_core.data import drawn
from hfru_core.studio.app import build_app
from hfru_core.studio.server.uploads import Uploads
from hfru_core.studio.sessions import pages
from hfru_core.types import UserError
from tests.conftest import ROOT
from tests.server import API, Visitor, file_at, uploaded

SHIPPED = ROOT / "assets" / "adapters" / "dog"


def folder_of(app: tuple[gr.Blocks, str]) -> Path:
    """The data folder of a served app."""
    return Path(app[0].GRADIO_CACHE).parent


def png(number: int = 0) -> bytes:
    """A drawn picture as a file; each number another one."""
    file = io.BytesIO()
    drawn.draw(drawn.key_of(number, "uploads", "dog", number), 64).save(file, "PNG")
    return file.getvalue()


def paths_in(value: object) -> set[str]:
    """Every file's path in a JSON value."""
    if isinstance(value, list):
        return set().union(*map(paths_in, value))
    if not isinstance(value, dict):
        return set()
    found = {value["path"]} if isinstance(value.get("path"), str) else set()
    return found | paths_in(list(value.values()))


def served_all(visitor: Visitor, paths: set[str]) -> bool:
    return all(visitor.http.get(f"{visitor.url}{API}/file={p}").status_code == 200 for p in paths)


def send(visitor: Visitor, way: str, file: dict) -> dict:
    """One of the three events that take a file."""
    if way == "describe":
        return visitor.ask(visitor.index("describe"), [file, "What is it?", ""])
    event = visitor.event(
        *{"compare": ("upload", "input"), "adapters": ("adapter-upload", "upload")}[way]
    )
    return visitor.ask(event["id"], [file, *event["values"][1:]])


def refused(said: dict) -> bool:
    return not said["success"] and "no upload of yours" in said["output"]["error"]


WAYS = ("describe", "compare", "adapters")


@pytest.mark.parametrize("way", WAYS)
def test_the_pages_own_pictures_and_downloads_are_neither_taken_nor_deleted(
    visitor: Visitor, way: str
) -> None:
    other = Visitor(visitor.url)
    zipped = other.ask(other.index("fetch_adapter"), ["shipped/dog"])["output"]["data"][0]["path"]
    pictures = {p for p in paths_in(visitor.config()["components"]) if "cache" in p}
    assert len(pictures) > 10
    for path in sorted(pictures)[:3] + [zipped]:
        said = send(visitor, way, file_at(path))
        assert not said["success"], path
    assert served_all(other, pictures | {zipped})


def test_a_picture_of_another_visitor_is_neither_taken_nor_deleted(visitor: Visitor) -> None:
    ann = Visitor(visitor.url)
    files = [ann.upload(png(i), f"{i}.png") for i in range(4)]
    ann.ask(ann.event("own-files", "upload")["id"], [files])
    for way in WAYS[:2]:
        assert refused(send(visitor, way, files[0]))
    assert all(Path(f["path"]).is_file() for f in files)
    assert send(ann, "describe", files[0])["success"] and not Path(files[0]["path"]).exists()


def test_the_same_file_sent_by_two_is_two_files(visitor: Visitor) -> None:
    """Who has the same file learns nothing: not where the other's lies, nor by deleting it."""
    ann = Visitor(visitor.url)
    hers, mine = ann.upload(png(), "x.png"), visitor.upload(png(), "x.png")
    assert hers["path"] != mine["path"]
    assert send(visitor, "describe", mine)["success"] and not Path(mine["path"]).exists()
    assert send(ann, "describe", hers)["success"]


@pytest.mark.parametrize("way", WAYS)
def test_what_was_sent_is_gone_once_it_was_taken(
    app: tuple, visitor: Visitor, way: str, tmp_path: Path
) -> None:
    content = archive.pack(SHIPPED, tmp_path / "x.zip").read_bytes() if way == "adapters" else png()
    file = visitor.upload(content, "x.zip" if way == "adapters" else "x.png")
    assert send(visitor, way, file)["success"]
    assert not Path(file["path"]).exists()
    again = visitor.upload(b"no picture, no zip", "y.zip" if way == "adapters" else "y.png")
    said = send(visitor, way, again)
    assert not said["success"] and str(folder_of(app)) not in said["output"]["error"]
    assert not Path(again["path"]).exists()


def soon(true: Callable[[], bool], seconds: float = 90) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.1)
    return true()


def files_in(folder: Path) -> set[Path]:
    """All that hold something of visitors: Gradio makes empty ones for names."""
    found = set()
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # deleted meanwhile
            if path.is_file() and path.stat().st_size:
                found.add(path)
    return found - {folder / "opening.json"}


def test_pictures_are_gone_within_a_minute_of_leaving(
    app: tuple, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of Compare in all their copies, and those of a form that was never sent."""
    assert pages.AWAY + pages.EVERY < 60
    monkeypatch.setattr(pages, "AWAY", 1.0)
    before = files_in(folder_of(app))
    with visitor.http.stream("GET", f"{visitor.url}{API}/heartbeat/{visitor.session}") as line:
        next(line.iter_raw())
        assert send(visitor, "compare", visitor.upload(png(), "secret.png"))["success"]
        files = [visitor.upload(png(i), f"form{i}.png") for i in range(4)]
        visitor.ask(visitor.event("own-files", "upload")["id"], [files])
        assert len(files_in(folder_of(app)) - before) >= 6
    assert soon(lambda: not files_in(folder_of(app)) - before)


def test_what_a_killed_process_left_goes_at_the_start(tmp_path: Path) -> None:
    visitor = tmp_path / "sessions" / "ann"
    left = [
        uploaded(tmp_path, "a.png"),
        visitor / "picture.png",
        tmp_path / "cache/visitors/ann/h/x.png",
        visitor / "audits" / "no-dog-deep.0a1b.part" / "report.json",
        visitor / "runs" / "no-cat.part" / "wish.json",  # no step was done
        visitor / "stop-0a1b",
    ]
    stays = [
        visitor / "own" / "rex" / "0.png",
        visitor / "runs" / "no-dog" / "unlearning.json",
        visitor / "runs" / "no-car.part" / "session.json",
    ]
    for path in left + stays:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    build_app(data_folder=tmp_path)
    assert not [p for p in left if p.exists()] and all(p.exists() for p in stays)


def test_a_file_has_one_owner_and_lies_in_the_uploads(tmp_path: Path) -> None:
    uploads, file = Uploads(tmp_path / "cache" / "uploads"), uploaded(tmp_path, "x.png")
    file.write_bytes(b"x")
    outside = tmp_path / "cache" / "y.png"
    outside.write_bytes(b"y")
    assert uploads.claim(str(file), "ann") == file
    climbing = f"{tmp_path}/cache/uploads/../y.png"
    for path in (str(file), str(outside), climbing, str(uploads.folder)):
        with pytest.raises(UserError, match="no upload of yours"):
            uploads.claim(path, "bob")
    uploads.expire(older_than=0)
    assert file.exists(), "somebody's page still has it"
    uploads.discard("ann")
    assert not any(uploads.folder.iterdir()) and outside.exists()


def test_a_second_server_on_the_folder_deletes_nothing_of_the_first(tmp_path: Path) -> None:
    file = tmp_path / "sessions" / "ann" / "audits" / "no-dog-deep.0a1b.part" / "report.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    (tmp_path / "server.lock").write_text(str(os.getppid()))
    build_app(data_folder=tmp_path)
    assert file.exists()
    (tmp_path / "server.lock").write_text("4194303")  # a process that is dead
    build_app(data_folder=tmp_path)
    assert not file.exists()
