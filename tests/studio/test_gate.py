"""What the server refuses, tried over HTTP: addresses, paths outside, sizes, strangers, tokens."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest

from hfru_core.studio.server import accounts, quota
from hfru_core.studio.server.body import MOST_SENT, MOST_UPLOADED, check_length
from hfru_core.studio.server.refusal import Refusal
from hfru_core.studio.server.routes import check_route
from hfru_core.studio.server.values import DEEPEST, check_body
from hfru_core.types import UserError
from tests.conftest import ROOT
from tests.server import API, Visitor, file_at, served

TOKEN = "hf_PlantedTokenThatMustNotBeSeen"
CACHE = Path("/data/cache")
SECRET = "the secret of another visitor"


@pytest.fixture(scope="module")
def inside() -> Iterator[tuple[str, list[str]]]:
    """A server that only this machine reaches, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SECRET.encode())

        def log_message(self, *what: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/picture.png", asked
    server.shutdown()


# Addresses


@pytest.mark.parametrize("route", ["queue/join", "call/describe", "run/describe", "run/predict"])
def test_a_file_given_by_address_is_fetched_by_nobody(
    visitor: Visitor, inside: tuple[str, list[str]], route: str
) -> None:
    address, asked = inside
    body = {
        "fn_index": visitor.index("describe"),
        "session_hash": visitor.session,
        "data": [file_at(address), "What is it?", ""],
    }
    said = visitor.http.post(f"{visitor.url}{API}/{route}", json=body)
    assert said.status_code == 400 and "not by address" in said.text and not asked


@pytest.mark.parametrize("route", ["file=", "file/", "file=/", "proxy=", "%66ile=", "file%3d"])
def test_the_server_is_no_proxy(
    visitor: Visitor, inside: tuple[str, list[str]], route: str
) -> None:
    address, asked = inside
    for where in (address, "https://example.org/x.png", "ftp://example.org/x"):
        said = visitor.http.get(f"{visitor.url}{API}/{route}{where}")
        assert said.status_code == 403 and "does not do that" in said.text
    assert not asked


@pytest.mark.parametrize(
    "path", ["http://x/y", " HTTPS://x/y", "ftp://x/y", "file:///etc/passwd", "data:image/png,x"]
)
def test_every_kind_of_address_is_known(path: str) -> None:
    for value in (file_at(path), [[{"a": file_at(path)}]]):
        with pytest.raises(Refusal, match="400"):
            check_body(json.dumps({"data": value}).encode(), CACHE)


def test_ordinary_bodies_pass() -> None:
    check_body(b"", CACHE)
    for value in ([file_at(str(CACHE / "a" / "x.png")), "http://x?", 1], {"path": "C:\\x.png"}):
        check_body(json.dumps({"data": value}).encode(), CACHE)


# Paths


def test_files_outside_the_uploads_are_not_read(
    app: tuple[gr.Blocks, str], visitor: Visitor
) -> None:
    """Neither by a file's own mark nor without it, and nothing is deleted."""
    other = Path(app[0].GRADIO_CACHE).parent / "sessions" / "other" / "picture.png"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_text(SECRET)
    describe, zips = visitor.index("describe"), visitor.event("adapter-upload", "upload")["id"]
    climbing = f"{app[0].GRADIO_CACHE}/../sessions/other/picture.png"
    for path in ("/etc/passwd", str(other), climbing, str(ROOT / "README.md"), "../../etc/passwd"):
        for event, more in ((describe, ["What is it?", ""]), (zips, [])):
            said = visitor.join(event, [file_at(path), *more])
            assert said.status_code == 400 and "not uploaded" in said.text
        said = visitor.ask(describe, [{"path": path}, "What is it?", ""])
        assert not said["success"] and "is an upload" in said["output"]["error"]
        assert visitor.http.get(f"{visitor.url}{API}/file={path}").status_code in (403, 404)
    assert other.read_text() == SECRET


def test_a_name_that_climbs_stays_in_the_uploads(
    app: tuple[gr.Blocks, str], visitor: Visitor
) -> None:
    cache = Path(app[0].GRADIO_CACHE)
    for name in ("../../x.png", "/etc/x.png", "..\\..\\x.png", "x" * 300 + ".png", "a\x00b.png"):
        file = Path(visitor.upload(b"x", name)["path"])
        assert file.resolve().is_relative_to(cache.resolve()) and file.read_bytes() == b"x"


# Sizes and shapes


def test_what_is_too_long_too_deep_or_no_json_is_refused(visitor: Visitor) -> None:
    join = f"{visitor.url}{API}/queue/join"
    deep = b"[" * 100_000 + b"]" * 100_000
    nested = b'{"data": ' + b"[" * (DEEPEST + 5) + b"]" * (DEEPEST + 5) + b"}"
    for body, status in (
        (b"{", 400),
        (b"\xff\xfe", 400),
        (deep, 400),
        (nested, 400),
        (b"1" * (MOST_SENT + 1), 413),
    ):
        said = visitor.http.post(join, content=body, headers={"content-type": "application/json"})
        assert said.status_code == status
    said = visitor.http.post(join, content=iter([b"{}"]))
    assert said.status_code == 411


def test_an_upload_has_a_most(visitor: Visitor) -> None:
    said = visitor.http.post(
        f"{visitor.url}{API}/upload", files={"files": ("x.png", b"x" * 11_000_000)}
    )
    assert said.status_code == 413
    length = (b"content-length", str(MOST_UPLOADED + 1).encode())
    with pytest.raises(Refusal, match="413"):
        check_length({"type": "http", "method": "POST", "headers": [length]}, MOST_UPLOADED)


def test_of_gradios_routes_only_those_that_the_app_needs_are_open(
    app: tuple[gr.Blocks, str], visitor: Visitor
) -> None:
    """A route that another version of Gradio brings is closed until somebody has read it."""
    opened, routes = set(), every_route(app[0].app)
    for route in routes:
        path = re.sub(r"{[^}]*}", "x", route.path).removesuffix("/") or "/"
        if any(passes(method, path) for method in route.methods):
            opened.add(path)
    assert len(routes) > 70 and opened == {
        "/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/login",
        "/svelte/x", "/static/x", "/assets/x",
    } | {
        f"{API}/{path}" for path in (
            "theme.css", "info", "app_id", "startup-events", "queue/data", "queue/join", "cancel",
            "reset", "upload", "upload_progress", "heartbeat/x", "run/x", "api/x", "call/x",
            "call/x/x",
        )
    }  # fmt: skip
    for path in ("token", "login_check", "component_server", "dev/reload", "vibe-code", "x"):
        for method in ("GET", "POST", "PUT", "OPTIONS"):
            said = visitor.http.request(method, f"{visitor.url}{API}/{path}")
            assert said.status_code == 403, (method, path)


def passes(method: str, path: str) -> bool:
    try:
        check_route(method, path, CACHE, mcp=False)
    except Refusal:
        return False
    return True


def every_route(router: Any) -> list:
    """Also those of the routers that it includes."""
    found = []
    for route in router.routes:
        included = getattr(route, "original_router", None)
        found += every_route(included) if included else [route]
    return found


def test_of_files_only_those_in_the_cache_are_served(
    app: tuple[gr.Blocks, str], visitor: Visitor
) -> None:
    file = visitor.upload(b"mine", "x.txt")["path"]
    cache = app[0].GRADIO_CACHE
    assert visitor.http.get(f"{visitor.url}{API}/file={file}").text == "mine"
    for path in (
        f"/file/{file}", f"//file={file}", f"/file=/{cache}/../../etc/passwd", "/file=README.md",
        "/file=", f"/file={cache}%2f..%2fsessions", "/file=%252fetc%252fpasswd", f"/file= {file}",
    ):  # fmt: skip
        said = visitor.http.get(f"{visitor.url}{API}{path}")
        assert said.status_code == 403 and "does not do that" in said.text, path


def test_logging_out_takes_a_post_and_leads_nowhere_else(visitor: Visitor) -> None:
    where = f"{visitor.url}/logout"
    assert visitor.http.get(where).status_code == 403
    said = visitor.http.post(where, headers={"x-forwarded-host": "evil.example"})
    assert said.status_code == 302 and said.headers["location"] in (
        visitor.url,
        f"{visitor.url}/",
    )


def test_a_full_server_takes_no_uploads(
    app: tuple[gr.Blocks, str], visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MOST_OF_ALL", 1)
    monkeypatch.setattr(quota, "LOOK_AGAIN", 1e-9)
    with pytest.raises(httpx.HTTPStatusError, match="413"):
        visitor.upload(b"x", "x.png")
    quota.full.cache_clear()


# Logins and tokens


def test_a_stranger_gets_nothing_and_a_user_gets_in(tmp_path: Path) -> None:
    check = accounts.checker("ann:correct horse", "the test")
    with served(tmp_path / "data", auth=check) as (_, url):
        http = httpx.Client(base_url=url, timeout=60)
        for method, path in (
            ("GET", "/config"),
            ("GET", f"{API}/info"),
            ("POST", f"{API}/queue/join"),
            ("GET", f"{API}/queue/data?session_hash=x"),
            ("POST", f"{API}/call/list_adapters"),
            ("POST", f"{API}/upload"),
        ):
            assert http.request(method, path, json={}).status_code == 401, path
        for user, password in (("ann", "wrong horse"), ("bob", "correct horse"), ("", "")):
            said = http.post("/login", data={"username": user, "password": password})
            assert said.status_code >= 400
        assert (
            http.post("/login", data={"username": "ann", "password": "correct horse"}).status_code
            == 200
        )
        assert http.get("/config").status_code == 200


def test_passwords_are_not_kept_and_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "users"
    file.write_text("# who\nann:correct horse\n")
    file.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        accounts.given(file)
    file.chmod(0o600)
    check = accounts.given(file)
    assert check("ann", "correct horse") and not check("ann", "correct hors")
    assert not check("bob", "correct horse")
    assert "horse" not in repr([c.cell_contents for c in check.__closure__])
    monkeypatch.setenv(accounts.VARIABLE, "bob:battery staple")
    assert accounts.given(None)("bob", "battery staple")
    assert accounts.given(None) is None, "the variable is gone"


@pytest.mark.parametrize("text", ["ann", "ann:short", ":correct horse", "", "# nobody"])
def test_a_wrong_line_is_told_by_its_number_alone(text: str) -> None:
    with pytest.raises(UserError) as told:
        accounts.checker(text, "users")
    assert not text.strip("#") or text not in str(told.value)


def test_a_token_stays_nowhere(
    app: tuple[gr.Blocks, str],
    visitor: Visitor,
    capfd: pytest.CaptureFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither in the log, nor in what the server keeps of the session, nor in the page."""
    caplog.set_level("DEBUG")
    said = visitor.ask(visitor.index("pulled"), ["me/x", "", TOKEN])
    assert not said["success"] and TOKEN not in json.dumps(said)
    kept = app[0].app.state_holder.session_data[visitor.session]
    values = [b.constructor_args for b in kept.blocks_config.blocks.values()]
    values += [getattr(b, "value", "") for b in kept.blocks_config.blocks.values()]
    assert TOKEN not in repr((kept.config_values, kept.state_data, values))
    assert TOKEN not in repr(visitor.config()) + visitor.http.get(visitor.url).text
    told = capfd.readouterr()
    assert TOKEN not in told.out + told.err + caplog.text


def test_who_sends_too_much_still_sees_why(visitor: Visitor) -> None:
    """A server that hangs up on a sender resets the connection: the reply is lost."""
    for size in (MOST_SENT + 1, 6 * MOST_SENT):
        said = visitor.http.post(f"{visitor.url}{API}/queue/join", content=b"x" * size)
        assert said.status_code == 413 and "too large" in said.text


@pytest.mark.parametrize("index", [-1, 10**6, 1e9, True, "0", ""])
def test_an_event_that_is_not_there_is_the_clients_mistake(visitor: Visitor, index: object) -> None:
    said = visitor.join(index, [])
    assert said.status_code == 400 and "no such event" in said.text


@pytest.mark.parametrize("route", ["run/predict", "api/predict", "call/predict", "call/x", "run/x"])
def test_a_request_for_no_event_is_the_clients_mistake(visitor: Visitor, route: str) -> None:
    for asked in ({"data": []}, {"data": [], "fn_index": None, "session_hash": "a"}):
        said = visitor.http.post(f"{visitor.url}{API}/{route}", json=asked)
        assert said.status_code == 400 and "no such event" in said.text


def test_an_event_that_only_the_browser_knows_is_the_clients_mistake(
    app: tuple[gr.Blocks, str], visitor: Visitor
) -> None:
    """Gradio would raise: there is no function behind it."""
    number = next(i for i, e in app[0].fns.items() if e.fn is None)
    said = visitor.join(number, [])
    assert said.status_code == 400 and "no such event" in said.text


def test_a_value_that_no_field_takes_is_the_clients_mistake(
    app: tuple[gr.Blocks, str], visitor: Visitor
) -> None:
    """Gradio would log an error of its own."""
    fns = [(i, e) for i, e in app[0].fns.items() if e.fn]
    number, at, event = next(
        (i, k, e) for i, e in fns for k, b in enumerate(e.inputs) if isinstance(b, gr.File)
    )
    for value in ([{"path": 5}], {"path": "x"}, 7, ["x"]):
        data = [None] * len(event.inputs)
        data[at] = value
        said = visitor.join(number, data)
        assert said.status_code == 400 and f"Value {at + 1} is not what" in said.text


def test_too_few_values_for_an_event_are_the_clients_mistake(
    app: tuple[gr.Blocks, str], visitor: Visitor
) -> None:
    number, event = next((i, e) for i, e in app[0].fns.items() if len(e.inputs) > 1)
    for data in ([], [None], None, "ab"):
        said = visitor.join(number, data)
        assert said.status_code == 400 and f"{len(event.inputs)} values" in said.text
        said = visitor.http.post(f"{visitor.url}{API}/call/describe", json={"data": data})
        assert said.status_code == 400 and "values for this event" in said.text
