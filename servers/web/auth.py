"""API keys, by `X-API-Key`, `Authorization: Bearer` or, as ElevenLabs' clients have it, `xi-api-key`.

Keys are kept as SHA-256 hashes and compared in constant time, all of them each time. /health and /ready
need none, because load balancers cannot send one, and neither do /openapi.json and /docs, which say what the
source says; /metrics does.

servers/intake asks for whoever sent what it takes in: with the secret of this start, and from this machine,
the owner that it names counts as if their key had come. From anybody else the header is nothing.
"""

from __future__ import annotations

import hmac
from typing import Any

from flask import Flask, Request, g, request

from servers.errors import Unauthorized
from servers.jobs.client import OWNER_HEADER
from servers.settings import Settings
from servers.settings.variables import intake_secret
from servers.web.keys import configured_keys, is_loopback, owner_of

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json", "/docs"})
INTAKE_HEADER = "X-Skylark-Intake"
"""With the secret of servers/intake; OWNER_HEADER then says for whom it asks, in UTF-8."""
ADMITS = "skylark.admits"
"""The app's extension that says of a WSGI environment whether its body is worth receiving: it has a key."""


def install(app: Flask, settings: Settings, *, trust_unix_socket: bool) -> None:
    """Every request to `app` then needs a key, if any is configured.

    `trust_unix_socket` is for a server whose socket file only its owner may open.
    """
    keys, secret = configured_keys(settings), intake_secret()

    def trusted(asked: Request) -> bool:
        return not keys or (trust_unix_socket and not asked.remote_addr)

    def admits(environ: dict[str, Any]) -> bool:
        asked = Request(environ)
        return (
            trusted(asked) or _is_intake(asked, secret) or owner_of(_presented_key(asked), keys) is not None
        )

    def check() -> None:
        """Whose the request is:

        1. the intake's: whoever it names;
        2. of one who needs no key: nobody's;
        3. else the key's, without which only the open paths are there.
        """
        if _is_intake(request, secret):  # 1
            g.owner = _named_owner(request)
            return
        if trusted(request):  # 2
            return
        owner = owner_of(_presented_key(request), keys)  # 3
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


def _is_intake(request: Request, secret: str | None) -> bool:
    if secret is None or not (not request.remote_addr or is_loopback(request.remote_addr)):
        return False
    presented = request.headers.get(INTAKE_HEADER, "").encode("latin-1")
    return hmac.compare_digest(presented, secret.encode())


def _named_owner(request: Request) -> str | None:
    """None where no key was configured when the work was accepted. Raises Unauthorized for no UTF-8."""
    try:
        return request.headers.get(OWNER_HEADER, "").encode("latin-1").decode() or None
    except UnicodeDecodeError:
        raise Unauthorized(f"{OWNER_HEADER} is no UTF-8") from None


def _presented_key(request: Request) -> bytes:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    key = request.headers.get("X-API-Key") or bearer or request.headers.get("xi-api-key", "")
    # WSGI decodes headers as Latin-1: this gives the bytes that were sent.
    return key.encode("latin-1")
