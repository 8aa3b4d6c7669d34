"""Where a request came from, as far as that can be known behind reverse proxies."""

from __future__ import annotations

import ipaddress

OWN_PREFIX = 64
"""Bits of an IPv6 address that tell one subscriber from another: the rest is theirs to choose."""


def client_address(remote: str, forwarded_for: str, trusted_proxies: int) -> str:
    """The client's, by `remote`, which the connection is from, and what X-Forwarded-For has.

    Each of so many trusted proxies has added one entry at the right; what is left of them is anybody's to
    write. An IPv6 address is that of its network of 64 bits.
    """
    entries = [entry.strip() for entry in forwarded_for.split(",") if entry.strip()]
    hops = [*entries, remote]
    told = hops[max(0, len(hops) - 1 - trusted_proxies)]
    return _subscriber(told) or _subscriber(remote) or remote


def _subscriber(address: str) -> str | None:
    """None for what is no address."""
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), OWN_PREFIX), strict=False))
