"""The API keys that are configured, and whose a presented one is. No Flask: `serve` asks before it starts."""

from __future__ import annotations

import hmac
import ipaddress
from hashlib import sha256

from servers.settings import Settings, SettingsError

PLAIN_KEY_ID = "default"


def check_exposure(host: str, settings: Settings) -> None:
    """Raises SettingsError if anyone on a network could use the server without a key."""
    if configured_keys(settings) or settings.web.allow_anonymous or is_loopback(host):
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


def is_loopback(host: str) -> bool:
    """Whether it is this machine's own, by its name or its address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
