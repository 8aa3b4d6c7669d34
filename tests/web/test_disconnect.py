from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from flask import Flask

from servers.web.disconnect import client_connected, connection

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    server, client = socket.socketpair()
    with server, client:
        yield server, client


def connected(server: socket.socket) -> bool:
    with Flask("toys").test_request_context(environ_overrides={"gunicorn.socket": server}):
        return client_connected()


def test_a_waiting_client_is_there(pair: Pair) -> None:
    server, _client = pair
    assert connected(server)
    server.settimeout(60)
    assert connected(server)


def test_a_client_that_closed_is_gone(pair: Pair) -> None:
    server, client = pair
    client.close()
    assert not connected(server)


def test_its_next_request_stays_unread(pair: Pair) -> None:
    server, client = pair
    client.sendall(b"GET / HTTP/1.1\r\n")
    assert connected(server)
    assert server.recv(5) == b"GET /"


def test_a_closed_socket_is_gone(pair: Pair) -> None:
    server, _client = pair
    server.close()
    assert not connected(server)


def test_an_unknown_client_is_there() -> None:
    with Flask("toys").test_request_context():
        assert client_connected()


def test_a_stream_can_ask_after_the_view_has_returned(pair: Pair) -> None:
    server, client = pair
    with Flask("toys").test_request_context(environ_overrides={"gunicorn.socket": server}):
        still_there = connection()
    assert still_there()
    client.close()
    assert not still_there()
