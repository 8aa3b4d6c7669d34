from __future__ import annotations

from flask import Flask

from servers.web.disconnect import client_connected, connection
from servers.web.wsgi import CONNECTED


def test_the_worker_says_whether_a_client_is_there() -> None:
    for there in (True, False):
        with Flask("toys").test_request_context(environ_overrides={CONNECTED: lambda there=there: there}):
            assert client_connected() is there


def test_an_unknown_client_is_there() -> None:
    with Flask("toys").test_request_context():
        assert client_connected()


def test_a_stream_can_ask_after_the_view_has_returned() -> None:
    answers = iter([True, False])
    with Flask("toys").test_request_context(environ_overrides={CONNECTED: lambda: next(answers)}):
        still_there = connection()
    assert still_there()
    assert not still_there()
