"""API keys, by `X-API-Key` or `Authorization: Bearer`.

Keys are kept as SHA-256 hashes and compared in constant time, all of them each time. /health and /ready
need none, because load balancers cannot send one; /metrics does.
"""

from __future__ import annotations

import hmac
import ipaddress
from hashlib import sha256

from flask import Flask, g, request

from servers.errors import Unauthorized
from servers.settings import Settings, SettingsError

OPEN_PATHS = frozenset({"/health", "/ready"})
PLAIN_KEY_ID = "default"


def install(app: Flask, settings: Settings) -> None:
    """Every request to `app` then needs a key, if any is configured."""
    keys = configured_keys(settings)

    def check() -> None:
        if not keys:
            return
        owner = owner_of(_presented_key(), keys)
        if owner is None and request.path not in OPEN_PATHS:
            raise Unauthorized("a valid API key is needed, as X-API-Key or as Authorization: Bearer")
        g.owner = owner

    app.before_request(check)


def current_owner() -> str | None:
    """The id of the key that made the current request; None where no key is configured."""
    owner: str | None = g.get("owner")
    return owner


def check_exposure(host: str, settings: Settings) -> None:
    """Raises SettingsError if anyone on a network could use the server without a key."""
    if configured_keys(settings) or settings.web.allow_anonymous or _is_loopback(host):
        return
    raise SettingsError(
        f"refusing to listen on {host or 'all addresses'} with no API key: set TTS_API_KEY or "
        "SKYLARK_API_KEYS, or web.allow_anonymous if everyone may use this GPU"
    )


def configured_keys(settings: Settings) -> list[tuple[str, str]]:
    """(id, SHA-256 in hexadecimal digits) of each key."""
    plain = [(PLAIN_KEY_ID, sha256(settings.api_key.encode()).hexdigest())] if settings.api_key else []
    return plain + list(settings.api_keys.items())


def owner_of(key: bytes, keys: list[tuple[str, str]]) -> str | None:
    """The id of the key; takes as long whichever it is, and if it is none."""
    digest = sha256(key).hexdigest()
    owner = None
    for name, known in keys:
        if hmac.compare_digest(digest, known):
            owner = name
    return owner


def _presented_key() -> bytes:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    # WSGI decodes headers as Latin-1: this gives the bytes that were sent.
    return (request.headers.get("X-API-Key") or bearer).encode("latin-1")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
