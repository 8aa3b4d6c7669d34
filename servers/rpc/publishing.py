"""What a worker says of itself in Redis: from its capabilities and the engine's models."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from servers import __version__
from servers.backends.base import About
from servers.errors import MissingExtra
from servers.rpc.registration import Registration
from servers.rpc.workers import Capabilities
from servers.settings import Rpc, SettingsError
from servers.supervision.processes import ANY_ADDRESS


def registration(own: Rpc, service: Any, is_ready: Callable[[], bool]) -> Registration | None:
    """None where no Redis is configured. `service` is the worker's. Raises SettingsError."""
    if own.redis_url is None:
        return None
    try:
        return Registration(
            own.redis_url.get_secret_value(),
            own.name,
            address(own),
            lambda: described(service.capabilities(), service.models(), is_ready=is_ready()),
            ttl_s=own.registration_ttl_s,
            heartbeat_s=own.heartbeat_s,
            version=__version__,
            clock=time.time,
        )
    except (MissingExtra, ValueError) as error:
        raise SettingsError(f"rpc.redis_url: {error}") from None


def address(own: Rpc) -> str:
    """Where clients reach the worker."""
    if own.advertise is not None:
        return own.advertise
    host = socket.gethostname() if own.host in ANY_ADDRESS else own.host
    return f"[{host}]:{own.port}" if ":" in host else f"{host}:{own.port}"


def offered(wanted: Sequence[str] | None, known: Sequence[About]) -> list[str]:
    """The languages of the models, or those that are wanted of which some model speaks a kind, as en-US is
    one of "en". Models that name none may speak any.
    """
    spoken = {language for about in known for language in about.languages}
    if wanted is None:
        return sorted(spoken)
    bases = {_base(language) for language in spoken}
    return [language for language in wanted if not spoken or _base(language) in bases]


def _base(language: str) -> str:
    return language.casefold().partition("-")[0]


def described(
    capabilities: dict[str, Any], models: list[dict[str, Any]], *, is_ready: bool
) -> dict[str, Any]:
    """`capabilities` as GetCapabilities has them; of each model its `name`, `state` and `sessions`."""
    most = capabilities["max_concurrent_sessions"]
    return {
        "status": "ready" if is_ready else "not_ready",
        "capabilities": {name: capabilities[name] for name in Capabilities.model_fields},
        "models": models,
        "sessions": capabilities["sessions"],
        "load": round(capabilities["sessions"] / most, 4),
    }
