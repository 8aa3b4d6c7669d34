"""The servers that the proxy asks in its visitors' place, and the key that it sends them and nobody else."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app
from urllib3.connection import HTTPConnection, HTTPSConnection

from servers import server_config
from servers.proxy.calls import Answer, Body, Call, Headers
from servers.server_config import ClientConfig
from servers.settings import Settings
from servers.supervision.processes import DOORS
from servers.unix_http import UnixConnection

EXTENSION = "skylark.upstreams"
CONNECT_S = 5.0
"""For all addresses that a name has, and for TLS."""
TIMEOUT_S = 10.0
WHOSE = {
    "tts": "the server that speaks",
    "whisperx": "the server that listens",
    "jobs": "the queue",
    "machine": "what starts the machine",
}
"""What people are told of them: no address of the operator's."""
ALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4}
"""Seconds, and tries: after a minute a host that has vanished without a word is found to be gone."""
KNOWN = {getattr(socket, name): value for name, value in ALIVE.items() if hasattr(socket, name)}
SOCKET_OPTIONS = [
    *HTTPConnection.default_socket_options,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, option, value) for option, value in KNOWN.items()),
]
NO_HEADERS: Headers = MappingProxyType({})


@dataclass(frozen=True)
class Upstream:
    """One of them. Every request has a connection of its own."""

    whose: str
    connect: Callable[[], HTTPConnection]
    path: str
    """What its paths begin with."""
    api_key: str | None

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Headers = NO_HEADERS,
        body: Body | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        """What it answered, whole and whatever its status is, but for 401 and for redirects.

        Raises UpstreamUnreachable, UpstreamRefused, UpstreamFailed or DeadlineExceeded, each with a sentence.
        """
        with self.call() as call:
            self.send(call, method, path, headers=headers, body=body, timeout_s=timeout_s)
            return call.answer(timeout_s)

    def call(self) -> Call:
        """A request that is to be sent, and that can be aborted from now on."""
        return Call(self.whose, self.connect())

    def send(
        self, call: Call, method: str, path: str, *, headers: Headers, body: Body | None, timeout_s: float
    ) -> None:
        """Sends it with the key; its reply is the call's then. Raises as `request` does."""
        # http.client makes Latin-1 of it again: the bytes that are sent are UTF-8
        key = {} if self.api_key is None else {"X-API-Key": self.api_key.encode().decode("latin-1")}
        plain = {"Accept-Encoding": "identity", "Connection": "close"}
        call.send(method, f"{self.path}{path}", {**plain, **headers, **key}, body, timeout_s)


@dataclass(frozen=True)
class Upstreams:
    """`jobs` is the engine's API, and `machine` what starts the machine, where there are such."""

    tts: Upstream
    whisperx: Upstream
    jobs: Upstream | None
    machine: Upstream | None

    @staticmethod
    def of(settings: Settings) -> Upstreams:
        """1. Those that proxy.server_config names; 2. where it names none, the servers of these settings.

        Raises SettingsError for a file that cannot be used.
        """
        file = settings.proxy.server_config
        if file is not None:  # 1
            return _configured(server_config.read(file).with_key(settings.api_key))
        urls = {door.name: door.url(settings) for door in DOORS if door.name in WHOSE}  # 2
        found = {name: _at(name, url, settings.api_key) for name, url in urls.items()}
        engine = Upstream(WHOSE["jobs"], partial(_over_unix, settings.engine_socket), "", None)
        return Upstreams(found["tts"], found["whisperx"], engine, None)


def install(app: Flask, settings: Settings) -> None:
    """Raises SettingsError."""
    app.extensions[EXTENSION] = Upstreams.of(settings)


def upstreams() -> Upstreams:
    """The current app's."""
    found: Upstreams = current_app.extensions[EXTENSION]
    return found


def _configured(config: ClientConfig) -> Upstreams:
    """The queue and the machine are at the load balancer, unless the file says otherwise; without one there
    is none of them.
    """
    balanced = config.is_balanced
    jobs = config.jobs_url or (config.at_host("") if balanced else None)
    machine = config.machine_url or (config.at_host("/machine") if balanced else None)
    return Upstreams(
        _at("tts", config.server_url, config.api_key),
        _at("whisperx", config.whisper_url, config.api_key),
        None if jobs is None else _at("jobs", jobs, config.api_key),
        None if machine is None else _at("machine", machine, config.api_key),
    )


def _at(name: str, url: str, api_key: str | None) -> Upstream:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "https":
        connect = partial(_over_tls, host, port, ssl.create_default_context())
    else:
        connect = partial(_over_tcp, host, port)
    return Upstream(WHOSE[name], connect, parts.path, api_key)


def _over_unix(path: Path) -> HTTPConnection:
    return UnixConnection(path, CONNECT_S)


def _over_tcp(host: str, port: int | None) -> HTTPConnection:
    return TcpConnection(host, port)


def _over_tls(host: str, port: int | None, context: ssl.SSLContext) -> HTTPConnection:
    return TlsConnection(host, port, ssl_context=context)


class TcpConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return connected(self._dns_host, self.port)


class TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return connected(self._dns_host, self.port)


def connected(host: str, port: int) -> socket.socket:
    """With what is left of CONNECT_S as its timeout.

    Each address has an equal part of the time that is left: behind one that does not answer, as IPv6's where
    there is none, the others are still tried. Raises OSError, and ValueError for what is no name.
    """
    ends_at = time.monotonic() + CONNECT_S
    addresses = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError()
    for passed, (family, kind, protocol, _, address) in enumerate(addresses):
        part_s = _left_s(ends_at) / (len(addresses) - passed)
        try:
            sock = _connected(socket.socket(family, kind, protocol), address, part_s)
        except OSError as error:
            failure = error
        else:
            sock.settimeout(_left_s(ends_at))
            return sock
    raise failure


def _connected(sock: socket.socket, address: Any, timeout_s: float) -> socket.socket:
    """The same; closed where that fails."""
    try:
        for option in SOCKET_OPTIONS:
            sock.setsockopt(*option)
        sock.settimeout(timeout_s)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _left_s(ends_at: float) -> float:
    """Never 0, which would mean not to wait at all."""
    return max(0.001, ends_at - time.monotonic())
