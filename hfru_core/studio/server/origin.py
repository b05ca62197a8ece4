"""Which names this server answers to, and which pages may send it requests.

Any page that a browser shows can send requests to any server that the browser reaches, also to one
on the same machine. The browser tells with `Origin` which page it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from hfru_core.studio.server.refusal import Refusal
from hfru_core.types import UserError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::\d{1,5})?")
ORIGIN = re.compile(rf"(?P<scheme>https?)://(?P<host>{HOST.pattern})")
OTHER_SITES = ("cross-site", "same-site")  # `same-site` is another port or subdomain
# What a client could set, and Gradio would believe.
FORWARDED = (b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server")


@dataclass(frozen=True)
class Served:
    """Where the app is served: `names` of hosts that it answers to (None: any), its `addresses` as
    browsers know them (https://studio.example), the `scheme` where a proxy always speaks another,
    and the pages that may frame it."""

    names: frozenset[str] | None = LOOPBACK
    addresses: frozenset[str] = frozenset()
    scheme: str | None = None
    framed_by: tuple[str, ...] = ()

    def own(self, scope: Scope) -> str:
        """The origin of this server's own page in the browser that asks; raises `Refusal`."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        found = HOST.fullmatch(host)
        if found is None:
            raise Refusal(400, "The header Host is missing or no host.")
        if self.names is not None and found["name"] not in self.names:
            raise Refusal(421, "This server has another name (--address tells it a name).")
        forwarded = headers.get("x-forwarded-host", "").split(",")[0].strip().lower()
        known = [f"{s}://{h}" for h in (forwarded, host) for s in ("https", "http")]
        here = without_default_port(f"{self.scheme or scope['scheme']}://{host}")
        return next((a for a in known if a in self.addresses), here)

    def check_sender(self, scope: Scope, own: str, public: bool) -> None:
        """Refuse what another page sends; `public` is what any page may link to."""
        headers = Headers(scope=scope)
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if public and origin in (None, "null"):
            return
        if (origin is not None and origin != own and origin not in self.addresses) or (
            site in OTHER_SITES
        ):
            raise Refusal(403, "Another page sent this (--address tells this server its name).")


def served(
    host: str, addresses: Iterable[str] = (), framed_by: Iterable[str] = (), space: str = ""
) -> Served:
    """What a server bound to `host` answers; `space` is the host name of a Hugging Face Space.

    Only the machine itself reaches a loopback address, and only by its own names; a server that
    others reach does not know its names unless `addresses` tell them.
    """
    given = frozenset(map(checked_origin, addresses))
    own = f"[{host}]" if ":" in host else host.lower()
    names = LOOPBACK | {own} | {host_name(a) for a in given}
    framers = tuple(map(checked_origin, framed_by))
    if space:
        home = f"https://{space.lower()}"
        return Served(None, given | {home}, "https", (*framers, "https://huggingface.co"))
    local = own in LOOPBACK or own.startswith("127.")
    return Served(names if local or given else None, given, None, framers)


def checked_origin(address: str) -> str:
    """An address such as https://studio.example as browsers send it; raises UserError."""
    found = ORIGIN.fullmatch(address.strip().lower().rstrip("/"))
    if found is None:
        raise UserError(f"{address!r} is no address: write it like https://studio.example")
    return without_default_port(found[0])


def without_default_port(origin: str) -> str:
    scheme, _, host = origin.partition("://")
    return f"{scheme}://{host.removesuffix(':443' if scheme == 'https' else ':80')}"


def host_name(origin: str) -> str:
    found = ORIGIN.fullmatch(origin)
    assert found
    return found["name"]


def seen_as(scope: Scope, own: str) -> Scope:
    """The request as it was sent to `own`, without what the client says about a proxy."""
    scheme, _, host = own.partition("://")
    kept = [(k, v) for k, v in scope["headers"] if k not in (b"host", *FORWARDED)]
    return {**scope, "scheme": scheme, "headers": [(b"host", host.encode()), *kept]}
