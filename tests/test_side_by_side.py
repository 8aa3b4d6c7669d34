"""benchmarks/side_by_side.py against two small servers on loopback, one of which fails now and then."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from flask import Flask, Response
from werkzeug.serving import make_server

from benchmarks.side_by_side import LEAST_AUDIO_BYTES, Ask, Met, Side, compared, in_turn, listening_at


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def speaking(asked: list[str], name: str, sizes: Iterator[int]) -> Flask:
    app = Flask(name)

    @app.post("/speak")
    def speak() -> Response:
        asked.append(name)
        return Response(bytes(next(sizes)), content_type="audio/wav")

    return app


@pytest.fixture
def asked() -> list[str]:
    return []


def side(url: str) -> Side:
    return Side(url, lambda number: Ask("/speak", {"json": {"number": number}}), list)


def test_both_are_asked_as_often_and_a_reply_without_audio_is_an_error(asked):
    whole = (LEAST_AUDIO_BYTES for _ in count())
    empty = (LEAST_AUDIO_BYTES if number % 4 else 44 for number in count())
    with serving(speaking(asked, "a", whole)) as a, serving(speaking(asked, "b", empty)) as b:
        good, bad = in_turn((side(a), side(b)), clients=4, rounds=2)
    assert asked.count("a") == asked.count("b") == 4 + 16
    assert (len(good.total_s), good.errors, len(good.rates)) == (16, [], 4)
    assert (len(bad.total_s), bad.errors) == (12, ["44 bytes of audio/wav"] * 4)
    assert all(first <= total for first, total in zip(good.first_s, good.total_s, strict=True))


def test_the_sides_turns_alternate(asked):
    with (
        serving(speaking(asked, "a", (LEAST_AUDIO_BYTES for _ in count()))) as a,
        serving(speaking(asked, "b", (LEAST_AUDIO_BYTES for _ in count()))) as b,
    ):
        in_turn((side(a), side(b)), clients=1, rounds=2)
    turns = "".join(asked[4:])
    assert turns == "aabbbbaa" * 4


def test_a_ratio_of_less_than_one_says_that_skylark_is_faster():
    fast = Met([0.1], [0.2], [4.0], [], 0.3)
    slow = Met([0.3], [0.5], [2.0], ["TimeoutError"], 0.6)
    figures = {figure.name: figure for figure in compared("x", fast, slow)}
    assert all(figure.value < 1 and figure.reached for figure in figures.values())
    assert figures["x: requests a second, 2.00 over 4.00 (rounds 0.50 to 0.50)"].value == 0.5
    assert not all(figure.reached for figure in compared("x", slow, fast))


def test_without_a_good_reply_there_are_only_errors():
    none = Met([], [], [], ["500: no"])
    (errors,) = compared("x", none, none)
    assert (errors.value, errors.reached) == (1, False)


def test_the_processes_of_a_server_are_those_that_listen_at_its_port(asked):
    with serving(speaking(asked, "a", count())) as url:
        found = listening_at(int(url.rpartition(":")[2]))
    assert [process.pid for process in found][:1] == [os.getpid()]
