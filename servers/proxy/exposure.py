"""Whether people beyond this machine reach the proxy, and that they have limits then."""

from __future__ import annotations

from urllib.parse import urlsplit

from servers.settings import Proxy, Settings, SettingsError
from servers.web.keys import is_loopback


def is_public(proxy: Proxy) -> bool:
    """By its own address, or by the one at which people reach it."""
    return not is_loopback(proxy.host) or (
        proxy.public_url is not None and not is_loopback(urlsplit(proxy.public_url).hostname or "")
    )


def may_start(proxy: Proxy) -> bool:
    """Whether visitors may start the machine, if there is one: where strangers come, only if that is said."""
    return not is_public(proxy) if proxy.allow_start is None else proxy.allow_start


def check_limits(_host: str, settings: Settings) -> None:
    """Raises SettingsError where anyone on a network could use the servers without end."""
    proxy = settings.proxy
    needed = ["characters_per_day", "recording_mb_per_day", *["starts_per_day"] * may_start(proxy)]
    missing = [f"proxy.{name}" for name in needed if getattr(proxy, name) is None]
    if missing and is_public(proxy):
        raise SettingsError(
            f"refusing to serve the page beyond this machine with no limit for a visitor: set "
            f"{' and '.join(missing)}, or let proxy.host and proxy.public_url be this machine's own"
        )
