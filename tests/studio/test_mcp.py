"""The API as MCP tools: for programs on this machine, and for no page that a browser shows."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hfru_core.cli import app
from hfru_core.types import UserError
from tests.server import API, served

ASK = {"accept": "application/json, text/event-stream"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "Serve on loopback"),
        (["--host", "192.168.1.5"], "Serve on loopback"),
        (["--address", "https://studio.example"], "leave out either --mcp or --address"),
    ],
)
def test_it_is_not_served_where_others_reach_it(options: list[str], said: str) -> None:
    """All its clients are one visitor."""
    with pytest.raises(UserError, match=said):
        app.run(app.parser().parse_args(["--mcp", *options]))


def test_an_address_in_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(app.ADDRESSES, "https://studio.example https://lab.example")
    args = app.parser().parse_args(["--mcp"])
    assert args.address == ["https://studio.example", "https://lab.example"]
    with pytest.raises(UserError, match="HFRU_ADDRESS"):
        app.run(args)


def test_it_is_closed_unless_it_was_asked_for(tmp_path: Path) -> None:
    with served(tmp_path) as (_, url):
        for path in ("", "/", "/sse", "/schema"):
            assert httpx.post(f"{url}{API}/mcp{path}", json=LIST, headers=ASK).status_code == 403


@pytest.fixture(scope="module")
def mcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if importlib.util.find_spec("mcp") is None:
        pytest.skip("pip install 'gradio[mcp]'")
    with served(tmp_path_factory.mktemp("mcp"), mcp_server=True) as (_, url):
        yield f"{url}{API}/mcp/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "rebind.evil.example"}, 421),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"x-forwarded-host": "evil.example"}, 200),
    ],
)
def test_programs_are_answered_and_pages_are_not(
    mcp: str, headers: dict[str, str], status: int
) -> None:
    said = httpx.post(mcp, json=LIST, headers=ASK | headers, timeout=60)
    assert said.status_code == status
    assert ("list_adapters" in said.text) == (status == 200) and "evil.example" not in said.text
