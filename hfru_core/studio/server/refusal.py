"""A request that is not let through."""

from __future__ import annotations

from starlette.formparsers import MultiPartException


class Refusal(MultiPartException):
    """What the client is told, with its HTTP status.

    Gradio deletes the parts of an upload that ends in a `MultiPartException`, and only then.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
