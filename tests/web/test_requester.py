from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from servers.catalog import EXAMPLE, Catalog
from servers.errors import InvalidRequest
from servers.jobs.requests import Requests
from servers.settings import Limits, Tts
from servers.web.app import terminate
from servers.web.requester import install, requester
from servers.web.wsgi import CONNECTED
from tests.jobs.stand_in_engine import NO_VOICES, StandInEngine


def test_who_asks_is_still_there_until_the_connection_is_closed() -> None:
    answers = iter([True, False])
    with Flask("toys").test_request_context(environ_overrides={CONNECTED: lambda: next(answers)}):
        who = requester()
    assert who.connected()
    assert not who.connected()


@pytest.mark.parametrize(("headers", "key"), [({}, None), ({"Idempotency-Key": "mine"}, "mine")])
def test_the_key_is_the_header(headers: dict[str, str], key: str | None) -> None:
    with Flask("toys").test_request_context(headers=headers):
        assert requester().idempotency_key == key


def test_an_empty_header_is_no_key() -> None:
    with (
        Flask("toys").test_request_context(headers={"Idempotency-Key": ""}),
        pytest.raises(InvalidRequest),
    ):
        requester()


def test_a_worker_that_ends_stops_the_requests_of_its_app(make_app: Callable[[], Flask]) -> None:
    times = iter([1.0, 2.0])
    requests = Requests(
        StandInEngine(),
        Catalog.load(EXAMPLE),
        Tts(model_type="espeak"),
        Limits(),
        NO_VOICES,
        clock=lambda: next(times),
    )
    app = make_app()
    install(app, requests)
    terminate(app)
    assert next(times) == 2.0, "the clock was asked once: the time counts from now"
