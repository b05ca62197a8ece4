"""What a request may send, how long it may take to, and what it leaves: bytes as they come."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import httpx
import pytest

from hfru_core.studio.server import body, quota
from hfru_core.studio.server.body import MOST_FILES, MOST_SENT
from hfru_core.studio.server.values import MOST_VALUES
from tests.measure.visitors import serving
from tests.raw import raw, request, status
from tests.server import API, Visitor

JSON = "Content-Type: application/json"
FORM = "Content-Type: multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
FIELD = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n'


def host(url: str) -> str:
    return f"Host: {url.removeprefix('http://')}"


def chunks(content: bytes, times: int) -> Iterator[bytes]:
    """The same chunk many times, as Transfer-Encoding: chunked has it."""
    chunk = f"{len(content):x}\r\n".encode() + content + b"\r\n"
    yield from (chunk for _ in range(times))
    yield b"0\r\n\r\n"


def files(app: gr.Blocks) -> list[Path]:
    return [p for p in Path(app.GRADIO_CACHE).rglob("*") if p.is_file()]


@pytest.mark.parametrize("path", ["queue/join", "upload", "run/back", "cancel"])
def test_a_length_that_is_not_the_bodys_is_refused(
    app: tuple[gr.Blocks, str], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradio's server reads the chunks, whatever length is announced."""
    url = app[1]
    monkeypatch.setattr(body, "SECONDS_TO_DRAIN", 0.3)
    for headers, expected in (
        (("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
        (("Transfer-Encoding: chunked", "Content-Length: 5"), 400),
        (("Transfer-Encoding: chunked",), 411),
        ((), 411),
        (("Content-Length: -1",), 400),
        (("Content-Length: " + "9" * 19,), 413),
    ):
        head = request("POST", f"{API}/{path}", host(url), JSON, *headers)
        many = chunks(b"x" * 65536, 60) if "Transfer-Encoding: chunked" in headers else ()
        assert status(raw(url, head, many)) == expected, headers


def test_who_sends_slowly_is_told_and_cut_off(
    app: tuple[gr.Blocks, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = app[1]
    for name in ("SECONDS_TO_SEND", "SECONDS_TO_UPLOAD", "SECONDS_TO_DRAIN"):
        monkeypatch.setattr(body, name, 0.4)
    before = files(app[0])
    for path, kind, start in (("queue/join", JSON, b"{"), ("upload", FORM, PART + b"half")):
        head = request("POST", f"{API}/{path}", host(url), kind, "Content-Length: 1000")
        began = time.monotonic()
        assert status(raw(url, head, start)) == 408, path
        assert time.monotonic() - began < 5
    assert files(app[0]) == before, "the half file is gone"


def test_an_upload_that_breaks_off_leaves_nothing(app: tuple[gr.Blocks, str]) -> None:
    url, before = app[1], files(app[0])
    head = request("POST", f"{API}/upload", host(url), FORM, "Content-Length: 9000000")
    place = httpx.URL(url)
    with socket.create_connection((place.host, place.port)) as line:
        line.sendall(head + PART + b"x" * 500_000)
        wait_for(lambda: len(files(app[0])) > len(before))
    wait_for(lambda: files(app[0]) == before)


def wait_for(what: object, seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_an_upload_has_few_files_and_nothing_else(app: tuple[gr.Blocks, str]) -> None:
    """Gradio takes 1,000 files, and fields, which it keeps in memory."""
    url, before = app[1], files(app[0])
    for parts in ((PART + b"x\r\n") * (MOST_FILES + 1), FIELD + b"x" * 1_000_000 + b"\r\n"):
        whole = parts + b"--x--\r\n"
        head = request("POST", f"{API}/upload", host(url), FORM, f"Content-Length: {len(whole)}")
        said = raw(url, head, whole)
        assert status(said) == 400 and "Too many" in said
    assert files(app[0]) == before
    sent = [("files", (f"{i}.txt", b"x")) for i in range(MOST_FILES)]
    assert len(httpx.post(f"{url}{API}/upload", files=sent).json()) == MOST_FILES


def test_all_bodies_together_have_a_most(
    app: tuple[gr.Blocks, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is held is given back when it was handled, refused, or its sender is gone."""
    url, load = app[1], app[0].app.middleware_stack.load
    monkeypatch.setattr(body, "MOST_HELD", 300_000)
    whole = b" " * 200_000
    head = request("POST", f"{API}/run/back", host(url), JSON, f"Content-Length: {len(whole)}")
    place = httpx.URL(url)
    with socket.create_connection((place.host, place.port)) as line:
        line.sendall(head + whole[:-1])
        wait_for(lambda: load.bytes == len(whole) - 1)
        assert status(raw(url, head, whole)) == 429
    wait_for(lambda: load.bytes == 0)
    assert status(raw(url, head, whole)) == 400
    monkeypatch.setattr(body, "MOST_OPEN", load.requests)
    assert status(raw(url, request("GET", "/theme.css", host(url)))) == 429


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e300", "1" * 5000, "9007199254740993"]
)
def test_numbers_are_finite_and_bounded(app: tuple[gr.Blocks, str], number: str) -> None:
    for content in (
        f'{{"fn_index": {number}, "data": [], "session_hash": "s"}}',
        f'{{"fn_index": 0, "data": [[{{"a": {number}}}]], "session_hash": "s"}}',
        f'{{"fn_index": 0, "data": [], "session_hash": "s", "trigger_id": {number}}}',
    ):
        for path in ("queue/join", "cancel", "call/describe"):
            said = httpx.post(f"{app[1]}{API}/{path}", content=content)
            assert said.status_code == 400 and "umber" in said.text, said.text


def test_what_takes_much_memory_to_read_is_refused(app: tuple[gr.Blocks, str]) -> None:
    join = f"{app[1]}{API}/queue/join"
    for content in (
        {"data": [[]] * MOST_VALUES},
        {"data": [], "session_hash": "x" * 101},
        {"data": [], "batched": True, "fn_index": 0, "session_hash": "x"},
    ):
        assert httpx.post(join, json=content).status_code == 400


def test_others_go_on_while_the_disk_is_measured(
    app: tuple[gr.Blocks, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One walk for all who ask meanwhile, and none of it where requests are answered."""
    walks, began, go_on = [], threading.Event(), threading.Event()

    def slow(folder: Path) -> list:
        walks.append(folder)
        began.set()
        assert go_on.wait(20)
        return []

    quota.full.cache_clear()
    monkeypatch.setattr(quota, "files_in", slow)
    monkeypatch.setattr(quota, "LOOK_AGAIN", 10**9)
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(Visitor(app[1]).upload, b"x", "x.png") for _ in range(5)]
        assert began.wait(20)
        assert httpx.get(f"{app[1]}/theme.css", timeout=10).status_code == 200
        assert not any(s.done() for s in sent)
        go_on.set()
        assert all(s.result()["path"] for s in sent) and len(walks) == 1
    quota.full.cache_clear()


@pytest.mark.slow
def test_no_client_takes_much_memory(tmp_path: Path) -> None:
    """Everything at once: chunks, long JSON of tiny values, fields of uploads; many each."""
    with serving(tmp_path / "data") as app:
        idle = peak_mb(app.process.pid)
        url = app.url
        tiny = b'{"data": [' + b"[]," * (MOST_SENT // 3 - 10) + b"[]]}"
        field = FIELD + b"x" * 100_000_000 + b"\r\n--x--\r\n"
        both = ("Content-Length: 5", "Transfer-Encoding: chunked")

        def one(number: int) -> None:
            length = f"Content-Length: {len(tiny) if number % 3 else len(field)}"
            if number % 3 == 0:
                raw(url, request("POST", f"{API}/upload", host(url), FORM, length), field)
            elif number % 3 == 1:
                raw(url, request("POST", f"{API}/queue/join", host(url), JSON, length), tiny)
            else:
                head = request("POST", f"{API}/queue/join", host(url), JSON, *both)
                raw(url, head, chunks(b"x" * 65536, 1600))

        with ThreadPoolExecutor(24) as pool:
            list(pool.map(one, range(48)))
        assert httpx.get(f"{url}/config").status_code == 200
        assert peak_mb(app.process.pid) - idle < 400


def peak_mb(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) // 1024


def test_who_invents_sessions_fills_no_memory(app: tuple[gr.Blocks, str]) -> None:
    """Gradio keeps 10,000 of them, 0.4 MB each."""
    assert app[0].state_holder.capacity == 1000
