"""Who may log in on a shared host: names and passwords from a file or the environment.

Passwords are kept as salted hashes; the text that they came in is forgotten.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from collections.abc import Callable
from pathlib import Path
from secrets import token_bytes

from hfru_core.types import UserError

VARIABLE = "HFRU_AUTH"
SHORTEST = 8  # letters of a password
Check = Callable[[str, str], bool]


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
