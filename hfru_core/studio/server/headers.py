"""What every reply says to the browser about itself.

Gradio's page needs inline scripts and styles and compiles handlers, so its policy cannot forbid
these; it forbids to load from, or send to, anywhere else. Files have no right to anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from hfru_core.studio.server.routes import FILE

PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' data: blob:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
SAVED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
CORS = b"access-control-"
ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=(), display-capture=()"),
)


def with_policy(
    headers: Iterable[tuple[bytes, bytes]], path: str, framed_by: tuple[str, ...]
) -> list[tuple[bytes, bytes]]:
    """The headers of a reply with the policy for it; no other origin may read it."""
    policy = SAVED if path.startswith(FILE) else " ".join((PAGE, *framed_by))
    kept = [(k, v) for k, v in headers if not k.lower().startswith(CORS)]
    return [*kept, *ALWAYS, (b"content-security-policy", policy.encode())]
