"""Logins on a shared host: slowed down, off the event loop, and one visitor a user."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi import HTTPException

from hfru_core.studio.server import accounts, browser
from hfru_core.studio.server.accounts import Owners, Tokens, slowed
from hfru_core.studio.server.refusal import Refusal
from tests.server import API, Visitor, served

USERS = "ann:correct horse\nbert:battery staple"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    login = slowed(accounts.checker(USERS, "the test"))
    with served(tmp_path_factory.mktemp("accounts"), auth=login) as (_, address):
        yield address


def logged_in(url: str, user: str, password: str) -> httpx.Client:
    http = httpx.Client(base_url=url, timeout=60)
    said = http.post("/login", data={"username": user, "password": password})
    assert said.status_code == 200, said.text
    return http


def in_a_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine; Playwright leaves a loop running in this thread."""
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(asyncio.run, work).result()


def test_the_loop_serves_others_while_passwords_are_checked() -> None:
    """Checked in the loop, twelve guesses made a plain request take 320 ms."""
    others, running, most = threading.Event(), 0, 0

    def check(name: str, password: str) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        served = others.wait(5)  # in the loop it would wait in vain for what comes after it
        running -= 1
        return served

    async def many() -> list[bool]:
        login = slowed(check)
        guesses = [asyncio.create_task(login(f"nobody {i}", "x")) for i in range(12)]
        while not most:
            await asyncio.sleep(0.001)
        others.set()
        return await asyncio.gather(*guesses)

    assert all(in_a_loop(many())) and most <= accounts.AT_ONCE


def test_wrong_guesses_take_longer_and_longer_and_the_right_one_gets_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []

    async def noted(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(accounts, "sleep", noted)
    login = slowed(lambda name, password: password == "right")

    async def tries() -> bool:
        for _ in range(10):
            assert not await login("ann", "wrong")
        return await login("ann", "right")

    assert in_a_loop(tries())
    assert slept[:3] == [0, 0, 0] and sorted(slept) == slept
    assert slept[-1] == accounts.LONGEST, "never longer: nobody is locked out"


def test_guesses_at_one_name_go_one_by_one_and_few_wait() -> None:
    running, most = 0, 0

    def check(name: str, password: str) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.01)
        running -= 1
        return False

    async def many() -> list:
        login = slowed(check)
        tries = (login("ann", "x") for _ in range(accounts.WAITING + 5))
        return await asyncio.wait_for(asyncio.gather(*tries, return_exceptions=True), 60)

    accounts_free, accounts.FREE = accounts.FREE, 1_000
    try:
        found = in_a_loop(many())
    finally:
        accounts.FREE = accounts_free
    refused = [f for f in found if isinstance(f, HTTPException)]
    assert most == 1 and len(refused) == 5 and {f.status_code for f in refused} == {429}


def test_a_login_ends_by_itself_and_by_logging_out(url: str) -> None:
    http = logged_in(url, "ann", "correct horse")
    assert http.get("/config").status_code == 200
    assert http.post("/logout", follow_redirects=False).status_code in (302, 303)
    assert http.get("/config").status_code == 401
    tokens = Tokens()
    tokens["a"] = "ann"
    assert tokens.get("a") == "ann"
    tokens.ends["a"] -= accounts.LASTS
    assert tokens.get("a") is None and not tokens


def test_a_user_may_not_use_the_session_of_another(url: str) -> None:
    ann, bert = (logged_in(url, *line.split(":")) for line in USERS.splitlines())
    first, second = Visitor(url, http=ann), Visitor(url, http=bert)
    second.session = first.session
    assert ann.post(f"{API}/call/list_adapters", json={"data": [], "session_hash": first.session})
    said = bert.post(f"{API}/call/list_adapters", json={"data": [], "session_hash": first.session})
    assert said.status_code == 403 and "another user's" in said.text
    for path in (
        f"{API}/heartbeat/{first.session}",
        f"{API}/queue/data?session_hash={first.session}",
    ):
        assert bert.get(path).status_code == 403


def test_who_has_a_login_is_the_same_in_every_browser_and_alone_in_each() -> None:
    one, other = "0" * 32, "1" * 32
    assert browser.visitor_of(one, "ann") == browser.visitor_of(other, "ann")
    assert browser.visitor_of(one, "ann") != browser.visitor_of(one, "bert")
    assert browser.visitor_of(one) not in (
        browser.visitor_of(one, "ann"),
        browser.visitor_of(other),
    )


def test_names_of_sessions_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MOST_TOKENS", 3)
    owners, tokens = Owners(), Tokens()
    for i in range(9):
        owners.check(f"session {i}", "ann")
        tokens[f"token {i}"] = "ann"
    assert len(owners.users) == len(tokens) == len(tokens.ends) == 3
    with pytest.raises(Refusal):
        owners.check("session 8", "bert")
