"""The error boundary of event handlers: what a visitor can act on becomes a message."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from html import escape
from inspect import isgeneratorfunction
from typing import Any, TypeVar, cast

import gradio as gr

from hfru_core.types import UserError

Handler = TypeVar("Handler", bound=Callable[..., Any])
TITLE = "Please note"
# A path of this machine, in quotes or bare, up to its last name.
FOLDERS = re.compile(
    r"(?<=')(?:folder:)?(?:/|[A-Za-z]:\\)[^'\n]*[/\\](?=[^/'\n]+')"
    r"|(?<![^\s(\[=,:'\"])/(?!/)[^\s'\"]*/"
)
FULL = "The disk of this machine is full: nothing could be kept. What was finished is still there."


def friendly(handler: Handler) -> Handler:
    """Wrap an event handler, or a generator of updates, in `as_message`."""

    @wraps(handler)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with as_message():
            return handler(*args, **kwargs)

    @wraps(handler)
    def guarded_steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with as_message():
            yield from handler(*args, **kwargs)

    return cast(Handler, guarded_steps if isgeneratorfunction(handler) else guarded)


@contextmanager
def as_message() -> Iterator[None]:
    """Raise a `UserError` or a full disk as `gr.Error`; other errors stay as they are.

    The text may repeat what somebody typed, so it is escaped.
    """
    try:
        yield
    except UserError as error:
        raise gr.Error(escape(public(str(error))), title=TITLE, print_exception=False) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise gr.Error(FULL, title=TITLE) from None


def public(text: str) -> str:
    """The text without the folders of this server: of a path, its last name stays."""
    return FOLDERS.sub("", text)
