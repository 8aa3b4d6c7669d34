from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from flask import Flask, Response

from tests.web.served import WITHIN_S, error_of, eventually, request, serving
from tests.web.test_connection import Gate

MakeApp = Callable[[], Flask]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def app(make_app: MakeApp, gate: Gate) -> Flask:
    app = make_app()
    app.add_url_rule("/gate", "gate", gate.view)
    return app


def test_probes_have_threads_that_work_cannot_use_up(app: Flask, gate: Gate) -> None:
    with serving(app, threads=2) as served:
        waiting = [served.client() for _ in range(10)]
        for each in waiting:
            each.send(request("/gate"))
        for path in ("/health", "/toys/health", "/metrics"):
            assert served.client().ask(path).status == 200
        gate.open.set()
        assert [each.answer().status for each in waiting] == [200] * 10


def test_one_connection_too_many_takes_the_place_of_the_longest_idle_one(app: Flask) -> None:
    with serving(app, per_address=3) as served:
        first, second, third = (served.client() for _ in range(3))
        for each in (first, second, third, first):
            assert each.ask("/health").read()
            served.settle()
        fourth = served.client()
        assert fourth.ask("/health").read()
        assert second.closed()
        for each in (first, third, fourth):
            assert each.ask("/health").read()


def test_where_all_have_requests_in_hand_one_more_is_told_so(app: Flask, gate: Gate) -> None:
    with serving(app, connections=2) as served:
        waiting = [served.client() for _ in range(2)]
        for each in waiting:
            each.send(request("/gate"))
            assert gate.entered.acquire(timeout=WITHIN_S)
        error = error_of(served.client().answer())
        assert (error["status"], error["code"]) == (429, "queue_full")
        assert error["retry_after_s"] > 0
        gate.open.set()
        for each in waiting:
            assert each.answer().read()
        assert served.client().ask("/health").status == 200


def test_a_reply_on_its_way_is_a_request_in_hand(app: Flask) -> None:
    app.add_url_rule("/large", "large", lambda: Response(b"x" * 1_000_000))
    with serving(app, connections=2) as served:
        reading, idle = served.client(), served.client()
        reading.send(request("/large") * 30)
        eventually(lambda: "flushing" in served.phases())
        assert idle.ask("/health").read()
        served.settle()
        assert served.client().ask("/health").read()
        assert idle.closed()
        assert [len(reading.answer().read()) for _ in range(30)] == [1_000_000] * 30


def test_slow_clients_without_end_do_not_keep_an_honest_one_out(app: Flask) -> None:
    with ExitStack() as stack, serving(app, connections=20) as served:
        for _ in range(100):
            stack.enter_context(served.client().sock).sendall(b"GET /hea")
        assert served.client().ask("/health").status == 200


def test_bodies_together_have_a_limit_and_the_oldest_goes_first(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    with serving(app) as served:
        halves = [served.client() for _ in range(5)]
        for index, each in enumerate(halves):
            each.send(request("/raw", b"x" * 90_000, "Content-Length: 99000"))
            eventually(lambda count=index + 1: served.spooled() >= min(count, 4) * 90_000)
        assert halves[0].closed()
        for each in halves[1:]:
            each.send(b"x" * 9_000)
            assert each.answer().status == 200
        eventually(lambda: served.spooled() == 0)
