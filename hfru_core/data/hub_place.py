"""How a data set on the Hub is written: `OWNER/NAME[@REV][:CONFIG]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfru_core.types import UserError

PLACE = re.compile(r"([\w.-]+/[\w.-]+)(?:@([^:]+))?(?::(.+))?")


@dataclass(frozen=True)
class Place:
    """A data set on the Hub, at a revision, of which one configuration is meant."""

    repo: str
    revision: str | None
    config: str | None


def place_of(text: str) -> Place:
    """'OWNER/NAME@REV:CONFIG' -> its parts; raises where it is written otherwise."""
    match = PLACE.fullmatch(text)
    if not match:
        raise UserError(f"'hub:{text}': expected hub:OWNER/NAME, hub:OWNER/NAME@REVISION:CONFIG.")
    return Place(*match.groups())
