"""API keys, by `X-API-Key`, `Authorization: Bearer` or, as ElevenLabs' clients have it, `xi-api-key`.

Keys are kept as SHA-256 hashes and compared in constant time, all of them each time. /health and /ready
need none, because load balancers cannot send one, and neither do /openapi.json and /docs, which say what the
source says; /metrics does.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, g, request

from servers.errors import Unauthorized
from servers.settings import Settings
from servers.web.keys import configured_keys, owner_of

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json", "/docs"})
ADMITS = "skylark.admits"
"""The app's extension that says of a WSGI environment whether its body is worth receiving: it has a key."""


def install(app: Flask, settings: Settings, *, trust_unix_socket: bool) -> None:
    """Every request to `app` then needs a key, if any is configured.

    `trust_unix_socket` is for a server whose socket file only its owner may open.
    """
    keys = configured_keys(settings)

    def trusted(asked: Request) -> bool:
        return not keys or (trust_unix_socket and not asked.remote_addr)

    def admits(environ: dict[str, Any]) -> bool:
        asked = Request(environ)
        return trusted(asked) or owner_of(_presented_key(asked), keys) is not None

    def check() -> None:
        if trusted(request):
            return
        owner = owner_of(_presented_key(request), keys)
        if owner is None and request.path not in OPEN_PATHS:
            raise Unauthorized("a valid API key is needed, as X-API-Key or as Authorization: Bearer")
        g.owner = owner

    app.before_request(check)
    app.extensions[ADMITS] = admits


def over_unix_socket() -> bool:
    """Whether the client came by a Unix socket and not over TCP."""
    return not request.remote_addr


def current_owner() -> str | None:
    """The id of the key that made the current request; None where no key is configured."""
    owner: str | None = g.get("owner")
    return owner


def _presented_key(request: Request) -> bytes:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    key = request.headers.get("X-API-Key") or bearer or request.headers.get("xi-api-key", "")
    # WSGI decodes headers as Latin-1: this gives the bytes that were sent.
    return key.encode("latin-1")
