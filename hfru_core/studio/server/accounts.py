"""Who may log in on a shared host: names and passwords from a file or the environment.

Passwords are kept as salted hashes; the text that they came in is forgotten.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import stat
import time
from asyncio import sleep
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_bytes

from fastapi import HTTPException

from hfru_core.studio.server.refusal import Refusal
from hfru_core.types import UserError

VARIABLE = "HFRU_AUTH"
SHORTEST = 8  # letters of a password
AT_ONCE = 2  # passwords that are being hashed
FREE, FIRST, LONGEST = 3, 0.5, 5.0  # wrong guesses without a delay; seconds of the first, and most
FORGIVEN = 900.0  # seconds after which wrong guesses are forgotten
LINES, WAITING = 256, 16  # lines that names share; guesses that wait in one
LASTS = 12 * 3600.0  # seconds of a login
MOST_TOKENS = 10_000
Check = Callable[[str, str], bool]
Login = Callable[[str, str], Awaitable[bool]]


@dataclass
class Line:
    """Guesses at names that share it: one at a time, the later the more were wrong."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    wrong: int = 0
    last: float = 0.0

    def delay(self) -> float:
        """Seconds to wait before the next guess."""
        if time.monotonic() - self.last > FORGIVEN:
            self.wrong = 0
        return min(LONGEST, FIRST * 2 ** (self.wrong - FREE)) if self.wrong >= FREE else 0.0

    def note(self, right: bool) -> None:
        self.wrong, self.last = 0 if right else self.wrong + 1, time.monotonic()


def slowed(check: Check) -> Login:
    """The check of a login as Gradio awaits it: off its event loop, and slower with wrong guesses.

    Names share few lines, so that many names fill no memory, and an unknown one waits like a known
    one. Whoever knows the password waits too, and gets in when it is their turn.
    """
    lines = [Line() for _ in range(LINES)]
    hashing = asyncio.Semaphore(AT_ONCE)

    async def login(name: str, password: str) -> bool:
        line = lines[hash(name) % LINES]
        if line.waiting >= WAITING:
            raise HTTPException(429, "Too many tries at once: wait a minute.")
        line.waiting += 1
        try:
            async with line.turn:
                await sleep(line.delay())
                async with hashing:
                    right = await asyncio.to_thread(check, name, password)
                line.note(right)
                return right
        finally:
            line.waiting -= 1

    return login


class Tokens(dict[str, str]):
    """Who has which login, by token; each lasts 12 hours, the oldest of too many go first."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[str, float] = {}

    def __setitem__(self, token: str, user: str) -> None:
        super().__setitem__(token, user)
        self.ends[token] = time.monotonic() + LASTS
        for oldest in list(self)[:-MOST_TOKENS]:
            del self[oldest]

    def __delitem__(self, token: str) -> None:
        super().__delitem__(token)
        self.ends.pop(token, None)

    def get(self, token: str | None, default: str | None = None) -> str | None:  # type: ignore[override]
        """The user whose login it is, while it lasts."""
        if token and token in self and self.ends[token] < time.monotonic():
            del self[token]
        return super().get(token or "", default)

    def user(self, cookies: Mapping[str, str]) -> str | None:
        """Who sends a request with these cookies."""
        found = (self.get(v) for k, v in cookies.items() if k.startswith("access-token"))
        return next((user for user in found if user), None)


class Owners:
    """Whose a session's random name is: another login may not use it."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}

    def check(self, session: str, user: str) -> None:
        """Refuse the session of another user; a new one is theirs who use it first."""
        if self.users.setdefault(session, user) != user:
            raise Refusal(403, "That session is another user's.")
        for oldest in list(self.users)[:-MOST_TOKENS]:
            del self.users[oldest]


def given(file: Path | None) -> Check | None:
    """The check of a login by the file, else by the variable, or None where there is neither."""
    text = os.environ.pop(VARIABLE, "")  # so that no process started from here inherits it
    if file is None:
        return checker(text, VARIABLE) if text else None
    return checker(read(file), str(file))


def read(file: Path) -> str:
    """The file's text; raises where others of the machine may read it."""
    try:
        mode = file.stat().st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise UserError(f"'{file}' holds passwords and others may read it: chmod 600 {file}")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"'{file}' cannot be read: {error}.") from None


def checker(text: str, origin: str) -> Check:
    """The check for lines of `user:password`."""
    salt = token_bytes(16)
    hashes = {name: hashed(password, salt) for name, password in lines(text, origin)}
    nobody = hashed(token_bytes(16).hex(), salt)

    def check(name: str, password: str) -> bool:
        """Whether the password is that of the user; as slow for unknown names."""
        return hmac.compare_digest(hashes.get(name, nobody), hashed(password, salt))

    return check


def lines(text: str, origin: str) -> list[tuple[str, str]]:
    """Names and passwords; an error tells the line's number, never what is in it."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, password = line.strip().partition(":")
        if not name or not colon or len(password) < SHORTEST:
            raise UserError(
                f"{origin}, line {number}: expected user:password, the password with "
                f"{SHORTEST} or more letters."
            )
        found.append((name, password))
    if not found:
        raise UserError(f"{origin} names nobody: expected lines of user:password.")
    return found


def hashed(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode("utf-8", "replace"), salt=salt, n=2**14, r=8, p=1)
