"""Which names the server answers to, and which pages may send it requests: headers as they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx
import pytest

from hfru_core.studio.server import accounts, origin
from hfru_core.studio.server.origin import checked_origin
from hfru_core.types import UserError
from tests.raw import raw, request, status
from tests.server import API, Visitor, served

EVIL = "https://evil.studio.example:7444"
HOME = "https://studio.example:7443"
Served = tuple[gr.Blocks, str]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An app with logins behind a proxy, told its address."""
    where = origin.served("127.0.0.1", [HOME], ["https://lab.example"])
    check = accounts.checker("ann:correct horse", "the test")
    with served(tmp_path_factory.mktemp("known"), where=where, auth=check) as found:
        yield found


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An app as on another address than loopback, told no name."""
    with served(tmp_path_factory.mktemp("open"), where=origin.served("0.0.0.0")) as found:
        yield found


def host(url: str) -> str:
    return f"Host: {url.removeprefix('http://')}"


def test_no_other_page_takes_a_login(known: Served) -> None:
    """Neither by the token's route, nor by reading a page, nor by sending an event."""
    url = known[1]
    http = httpx.Client(base_url=url, headers={"host": "studio.example:7443"})
    http.post("/login", data={"username": "ann", "password": "correct horse"})
    cookie = "; ".join(f"{c.name}={c.value}" for c in http.cookies.jar)
    for method, path in (
        ("GET", f"{API}/token"), ("GET", "/config"), ("POST", f"{API}/run/back"),
        ("POST", "/logout"), ("OPTIONS", "/config"), ("GET", f"{API}/queue/data?session_hash=x"),
    ):  # fmt: skip
        for other in (EVIL, "https://evil.example", "null", "http://studio.example:7443"):
            headers = {"origin": other, "cookie": cookie, "access-control-request-method": "GET"}
            said = http.request(method, path, headers=headers)
            assert said.status_code == 403, (method, path, other)
            assert not [h for h in said.headers if h.startswith("access-control")]
    assert http.get("/config", headers={"cookie": cookie}).status_code == 200, "still logged in"
    said = http.get("/config", headers={"cookie": cookie, "origin": HOME})
    assert said.status_code == 200
    assert not [h for h in said.headers if h.startswith("access-control")]


def test_on_loopback_only_the_machines_own_names_are_answered(app: Served) -> None:
    """A name that an attacker's name server leads here makes his page one of this server's."""
    url = app[1]
    port = url.rsplit(":", 1)[1]
    for name in (f"127.0.0.1:{port}", f"localhost:{port}", "LOCALHOST", f"[::1]:{port}"):
        assert status(raw(url, request("GET", "/theme.css", f"Host: {name}"))) == 200, name
    for name in ("rebind.evil.example", f"127.0.0.1.evil.example:{port}", "0.0.0.0", "localhost."):
        for method, path in (("GET", "/"), ("GET", "/config"), ("POST", f"{API}/run/back")):
            said = raw(url, request(method, path, f"Host: {name}", "Content-Length: 0"))
            assert status(said) == 421, (name, path)
    for name in ("", "127.0.0.1:x", "a b", "127.0.0.1@evil.example", "localhost/"):
        assert status(raw(url, request("GET", "/", f"Host: {name}"))) == 400, name


def test_a_request_without_a_host_is_refused(app: Served) -> None:
    for headers in ((), ("Origin: http://evil.example",)):
        said = raw(app[1], request("GET", "/config", *headers, version="1.0"))
        assert status(said) == 400


def test_without_a_list_the_page_must_be_of_the_host_that_it_asks(open_to_all: Served) -> None:
    url = open_to_all[1]
    for name, page, expected in (
        ("studio.example", "http://studio.example", 200),
        ("studio.example:80", "http://studio.example", 200),
        ("studio.example", "http://studio.example:81", 403),
        ("studio.example", "https://studio.example", 403),
        ("studio.example", "http://x.studio.example", 403),
        ("studio.example", "null", 403),
    ):
        asked = request("GET", "/config", f"Host: {name}", f"Origin: {page}")
        said = raw(url, asked)
        assert status(said) == expected, (name, page)
        assert "access-control" not in said.lower()


def test_a_page_in_a_box_is_shown_and_may_do_nothing(app: Served) -> None:
    """Files that are shown in a sandbox have the origin null."""
    url = app[1]
    assert status(raw(url, request("GET", "/", host(url), "Origin: null"))) == 200
    asked = request("POST", f"{API}/run/back", host(url), "Origin: null", "Content-Length: 0")
    assert status(raw(url, asked)) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_uploads_and_reads_nothing(app: Served, site: str) -> None:
    """A form with a file needs no preflight, and an image or a script sends no Origin."""
    url, cache = app[1], Path(app[0].GRADIO_CACHE)
    before = set(cache.rglob("*"))
    for headers in ({"sec-fetch-site": site}, {"origin": "http://evil.example"}):
        files = {"files": ("x.png", b"filled")}
        said = httpx.post(f"{url}{API}/upload", files=files, headers=headers)
        assert said.status_code == 403
        assert httpx.get(f"{url}/config", headers=headers).status_code == 403
    assert set(cache.rglob("*")) == before
    assert httpx.get(url, headers={"sec-fetch-site": site}).status_code == 200, "a link to it"


def test_nobody_tells_the_server_its_own_address(app: Served, known: Served) -> None:
    told = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    told |= {"x-gradio-server": "http://evil.example"}
    for path in ("/config", "/"):
        said = httpx.get(app[1] + path, headers=told)
        assert said.status_code == 200 and "evil.example" not in said.text
    assert httpx.get(f"{app[1]}/config").json()["root"].endswith(app[1].removeprefix("http:"))
    for headers in ({"host": "studio.example:7443"}, {"x-forwarded-host": "studio.example:7443"}):
        assert f'"root":"{HOME}"' in httpx.get(known[1], headers=headers).text


def test_there_are_no_websockets(app: Served) -> None:
    url = app[1]
    said = raw(
        url,
        request("GET", f"{API}/queue/join", host(url), "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
                "Origin: http://evil.example"),
    )  # fmt: skip
    assert status(said) == 403


def test_every_reply_tells_the_browser_to_be_careful(app: Served, known: Served) -> None:
    visitor = Visitor(app[1])
    file = visitor.upload(b"<script>alert(1)</script>", "x.png")["path"]
    for path in ("/", "/config", "/theme.css", f"{API}/file={file}", f"{API}/token", "/nothing"):
        headers = visitor.http.get(app[1] + path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin"
        policy = headers["content-security-policy"]
        assert ("sandbox" in policy) == ("file=" in path)
        assert "file=" in path or policy.endswith("frame-ancestors 'self'")
    framed = httpx.get(known[1]).headers["content-security-policy"]
    assert framed.endswith("frame-ancestors 'self' https://lab.example")


def test_a_space_has_its_own_address_and_a_frame_around_it() -> None:
    space = origin.served("0.0.0.0", space="ann-studio.hf.space")
    assert space.addresses == {"https://ann-studio.hf.space"} and space.names is None
    assert space.framed_by == ("https://huggingface.co",)
    for name in (b"ann-studio.hf.space", b"10.0.0.7:7860"):
        scope = {"type": "http", "scheme": "http", "headers": [(b"host", name)]}
        assert space.own(scope) == f"https://{name.decode()}"
        scope["headers"].append((b"origin", b"https://ann-studio.hf.space"))
        space.check_sender(scope, space.own(scope), public=False)


def test_which_names_an_address_has() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        names = origin.served(host).names
        assert names is not None and names >= origin.LOOPBACK
    assert origin.served("192.168.1.5").names is None
    names = origin.served("192.168.1.5", ["http://lab:7860"]).names
    assert names == origin.LOOPBACK | {"192.168.1.5", "lab"}


@pytest.mark.parametrize("address", ["studio.example", "ftp://x", "https://x/y", "https://", "*"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(UserError, match="no address"):
        origin.served("127.0.0.1", [address])
    assert checked_origin(" HTTPS://X.Example:443/ ") == "https://x.example"
