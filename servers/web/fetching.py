"""A recording at a URL that a client names: fetched from public addresses only.

A host is resolved once, and connected to at the address that was looked at; each redirect is a URL like the
first. How many bytes and how many seconds it may take is bounded in all.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from pydantic.networks import IPvAnyNetwork
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.connection import HTTPConnection, HTTPSConnection

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
                url = _joined(url, response.headers["Location"], param)
        raise InvalidRequest(f"{param!r} leads on more than {REDIRECTS} times", param=param)

    @contextmanager
    def _asked(self, url: str, param: str, deadline: float) -> Iterator[urllib3.BaseHTTPResponse]:
        """The connection is shut at the deadline, also under a server that answers byte by byte."""
        parts = _parts(url, param)
        connection = self._connection(parts, self._address(parts, param), deadline)
        clock = threading.Timer(max(0.0, deadline - time.monotonic()), _shut, [connection])
        clock.daemon = True
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity"}
        with closing(connection):
            try:
                clock.start()
                connection.request("GET", target, headers=headers, preload_content=False)
                response = connection.getresponse()
            except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
                message = f"{parts.hostname} does not answer ({type(error).__name__})"
                raise InvalidRequest(f"{param!r} cannot be fetched: {message}", param=param) from None
            else:
                yield response
            finally:
                clock.cancel()

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

    def _connection(self, parts: SplitResult, address: str, deadline: float) -> HTTPConnection:
        timeout = max(0.1, deadline - time.monotonic())
        if parts.scheme == "http":
            return HTTPConnection(address, _port(parts), timeout=timeout)
        return HTTPSConnection(
            address, _port(parts), timeout=timeout,
            cert_reqs="CERT_REQUIRED", ca_certs=DEFAULT_CA_BUNDLE_PATH,
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
                with storing("the recording"):
                    file.write(piece)
                if file.tell() > self._most_bytes:
                    raise TooLarge(f"{param!r} has more than {self._most_bytes:,} bytes", param=param)
            if time.monotonic() > deadline:  # what has come by then may be a part
                message = f"{param!r} takes longer than {self._within_s:g} s to be fetched"
                raise InvalidRequest(message, param=param)
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


def _shut(connection: HTTPConnection) -> None:
    if connection.sock is not None:
        with suppress(OSError):  # it has ended in this moment
            connection.sock.shutdown(socket.SHUT_RDWR)


def _joined(url: str, location: str, param: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise InvalidRequest(f"{param!r} leads to what is no URL", param=param) from None


def _parts(url: str, param: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _port(parts)
        parts.netloc.encode("ascii")
    except UnicodeEncodeError:
        message = f"{param!r}: the host has letters that a URL has in Punycode, as xn--r8jz45g.jp"
        raise InvalidRequest(message, param=param) from None
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
