"""The JSON of a request: its depth, its numbers, and the events and files that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ValidationError

from hfru_core.studio.server.refusal import Refusal
from hfru_core.studio.server.routes import in_cache

DEEPEST = 32  # lists and objects in each other
MOST_VALUES = 20_000  # in one request; each takes about 100 bytes once it is read
LARGEST = 2**53  # what every reader of JSON holds exactly
LONGEST_SESSION = 100  # letters
ADDRESS = re.compile(r"\s*[\w+.-]{2,}:", re.A)  # one letter is a drive on Windows
# What each value of an event looks like, by the event's number and name; None for a plain value.
Events = Mapping[int | str, tuple[type[BaseModel] | None, ...]]
NONE: Events = MappingProxyType({})


def check_body(
    body: bytes,
    cache: Path,
    events: Events = NONE,
    name: str | None = None,
    numbered: bool = False,
) -> object:
    """What the JSON holds; refuses what is none, too deep, for no event, or names a file that was
    not uploaded."""
    if not body:
        return None
    asked = parsed(body)
    if isinstance(asked, dict):
        number = asked.get("fn_index")
        if numbered and number is None:
            raise Refusal(400, "There is no such event.")
        check_event(name, asked.get("data", ...), events)
        check_event(number, asked.get("data", ...), events)
        check_caller(asked)
    check_values(asked, cache)
    return asked


def parsed(body: bytes) -> object:
    try:
        return json.loads(body, parse_int=bounded, parse_float=bounded, parse_constant=not_a_number)
    except (ValueError, RecursionError):
        raise Refusal(400, "The request is not JSON.") from None


def bounded(digits: str) -> int | float:
    """A number as JSON writes it; int() alone would take seconds for very many digits."""
    value: int | float = float(digits)
    if isfinite(value) and not set(digits) & set(".eE"):
        value = int(digits)
    if not isfinite(value) or abs(value) > LARGEST:
        raise Refusal(400, f"A number is too large: at most {LARGEST}.")
    return value


def not_a_number(word: str) -> None:
    raise Refusal(400, f"{word} is no number.")


def check_event(event: object, data: object, events: Events) -> None:
    """Refuse an event that is not there, or values that it does not take; a cancel takes none."""
    if event is None:
        return
    if type(event) not in (int, str) or event not in events:  # 1.0 and True equal 1
        raise Refusal(400, "There is no such event.")
    models = events[event]  # type: ignore[index]  # it is there
    if data is ...:
        return
    if not isinstance(data, list) or len(data) < len(models):
        raise Refusal(400, f"data is a list of {len(models)} values for this event.")
    for number, (value, model) in enumerate(zip(data, models), 1):
        check_value(number, value, model)


def check_value(number: int, value: object, model: type[BaseModel] | None) -> None:
    """Refuse what a component can't read: Gradio would log an error of the server's own."""
    if model is None or value is None:
        return
    try:
        model.model_validate(value)
    except ValidationError:
        raise Refusal(400, f"Value {number} is not what this event takes.") from None


def check_caller(asked: dict) -> None:
    """Refuse a session's name that is very long, and batches, which this app has not."""
    session = asked.get("session_hash")
    if isinstance(session, str) and len(session) > LONGEST_SESSION:
        raise Refusal(400, f"session_hash has at most {LONGEST_SESSION} letters.")
    if asked.get("batched"):
        raise Refusal(400, "There are no batches here.")


def check_values(asked: object, cache: Path) -> None:
    """Look through all values, level by level."""
    level, count = [asked], 0
    for _ in range(DEEPEST + 1):
        for value in level:
            if isinstance(value, dict) and isinstance(value.get("path"), str):
                check_path(value, cache)
        level = [inner for value in level for inner in inside(value)]
        count += len(level)
        if count > MOST_VALUES:
            raise Refusal(400, f"The JSON has more than {MOST_VALUES} values.")
        if not level:
            return
    raise Refusal(400, f"The JSON is deeper than {DEEPEST} levels.")


def inside(value: object) -> list | tuple:
    if isinstance(value, dict):
        return tuple(value.values())
    return value if isinstance(value, list) else ()


def check_path(file: dict, cache: Path) -> None:
    """Refuse an address, and a file that does not lie where uploads and downloads do."""
    path = file["path"]
    if ADDRESS.match(path):
        raise Refusal(400, "Files are taken as uploads, not by address.")
    if "meta" in file and not in_cache(path, cache.absolute()):
        raise Refusal(400, "That file was not uploaded.")
