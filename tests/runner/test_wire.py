"""Frames between engine and runner."""

from __future__ import annotations

import socket
import threading

import pytest

from servers.runner.wire import HEADER, Wire


@pytest.fixture
def ends():
    left, right = (Wire(end) for end in socket.socketpair())
    yield left, right
    left.close()
    right.close()


def test_a_message_arrives_with_its_payload(ends):
    left, right = ends
    left.send({"op": "chunk", "text": "Grüße"}, b"\x00\xff")
    left.send({"op": "end"})
    assert right.receive() == ({"op": "chunk", "text": "Grüße"}, b"\x00\xff")
    assert right.receive() == ({"op": "end"}, b"")


def test_a_payload_larger_than_the_socket_buffer_arrives_whole(ends):
    left, right = ends
    payload = bytes(range(256)) * 20_000
    sender = threading.Thread(target=left.send, args=({"op": "chunk"}, payload))
    sender.start()
    assert right.receive() == ({"op": "chunk"}, payload)
    sender.join()


def test_the_end_of_the_stream_is_none_also_in_the_middle_of_a_frame():
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    theirs.sendall(HEADER.pack(100, 0) + b"{")
    theirs.close()
    assert wire.receive() is None
    wire.close()


def test_closing_wakes_the_thread_that_receives(ends):
    _, right = ends
    heard = []
    listener = threading.Thread(target=lambda: heard.append(right.receive()))
    listener.start()
    right.close()
    listener.join(5)
    assert heard == [None]
