"""A recording at a URL that a client names: fetched from public addresses only.

A host is resolved once, and connected to at the address that was looked at; each redirect is a URL like the
first. How many bytes and how many seconds it may take is bounded in all.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from pydantic.networks import IPvAnyNetwork
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from servers.errors import InvalidRequest, TooLarge
from servers.storage import storing

REDIRECTS = 5
REDIRECTING = (301, 302, 303, 307, 308)
IN_MEMORY, PIECE_BYTES = 1 << 20, 1 << 16
NAT64 = IPv6Network("64:ff9b::/96")
"""Its last four bytes are an IPv4 address."""
Address = IPv4Address | IPv6Address


class Fetcher:
    """`networks` may be asked though they are not public."""

    def __init__(self, within_s: float, most_bytes: int, networks: Collection[IPvAnyNetwork] = ()) -> None:
        self._within_s, self._most_bytes, self._networks = within_s, most_bytes, networks

    def fetch(self, url: str, param: str) -> BinaryIO:
        """What is there, at its start; whoever has it closes it. `param` is what the client calls the URL.

        Raises InvalidRequest, saying what is wrong with the URL or with what it leads to, TooLarge, and
        StorageFailed.
        """
        deadline = time.monotonic() + self._within_s
        for _ in range(REDIRECTS + 1):
            with self._asked(url, param, deadline) as response:
                if response.status not in REDIRECTING or "Location" not in response.headers:
                    return self._content(response, param, deadline)
                url = urljoin(url, response.headers["Location"])
        raise InvalidRequest(f"{param!r} leads on more than {REDIRECTS} times", param=param)

    def _asked(self, url: str, param: str, deadline: float) -> urllib3.BaseHTTPResponse:
        parts = _parts(url, param)
        pool = self._pool(parts, self._address(parts, param), deadline)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity"}
        try:
            return pool.urlopen(
                "GET", target, headers=headers, redirect=False, retries=False, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise InvalidRequest(
                f"{param!r} cannot be fetched: {parts.hostname} does not answer ({type(error).__name__})",
                param=param,
            ) from None

    def _address(self, parts: SplitResult, param: str) -> str:
        """Where the host is. Raises InvalidRequest unless each of its addresses may be asked."""
        assert parts.hostname is not None
        try:
            found = socket.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise InvalidRequest(f"{param!r}: there is no host {parts.hostname!r}", param=param) from None
        addresses = [str(address[4][0]) for address in found]
        if not all(self._may_be_asked(address) for address in addresses):
            message = f"{param!r}: {parts.hostname} is not on the public internet, and is not fetched from"
            raise InvalidRequest(message, param=param)
        return addresses[0]

    def _may_be_asked(self, text: str) -> bool:
        address = _unwrapped(ip_address(text.partition("%")[0]))
        if any(address in network for network in self._networks):
            return True
        return address.is_global and not address.is_multicast

    def _pool(self, parts: SplitResult, address: str, deadline: float) -> urllib3.HTTPConnectionPool:
        timeout = urllib3.Timeout(total=max(0.1, deadline - time.monotonic()))
        if parts.scheme == "http":
            return urllib3.HTTPConnectionPool(address, _port(parts), timeout=timeout)
        return urllib3.HTTPSConnectionPool(
            address, _port(parts), timeout=timeout, ca_certs=DEFAULT_CA_BUNDLE_PATH,
            server_hostname=parts.hostname, assert_hostname=parts.hostname,
        )  # fmt: skip

    def _content(self, response: urllib3.BaseHTTPResponse, param: str, deadline: float) -> BinaryIO:
        if response.status != 200:
            raise InvalidRequest(
                f"{param!r} cannot be fetched: it is answered {response.status}", param=param
            )
        file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the caller's
        try:
            while piece := _piece(response, param):
                if time.monotonic() > deadline:
                    message = f"{param!r} takes longer than {self._within_s:g} s to be fetched"
                    raise InvalidRequest(message, param=param)
                with storing("the recording"):
                    file.write(piece)
                if file.tell() > self._most_bytes:
                    raise TooLarge(f"{param!r} has more than {self._most_bytes:,} bytes", param=param)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return cast(BinaryIO, file)


def _piece(response: urllib3.BaseHTTPResponse, param: str) -> bytes:
    try:
        return response.read1(PIECE_BYTES)
    except urllib3.exceptions.HTTPError as error:
        message = f"{param!r} cannot be fetched: its server broke off ({type(error).__name__})"
        raise InvalidRequest(message, param=param) from None


def _parts(url: str, param: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError:
        raise InvalidRequest(f"{param!r} is no URL", param=param) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"{param!r} has to be an http or https URL, or base64", param=param)
    if any(ord(character) < 0x21 or ord(character) > 0x7E for character in parts.path + parts.query):
        raise InvalidRequest(f"{param!r} has characters that a URL has to escape", param=param)
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to."""
    if not isinstance(address, IPv6Address):
        return address
    if address in NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address
