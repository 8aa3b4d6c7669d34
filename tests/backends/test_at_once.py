"""Requests that are served at once: in threads that meet each other, and with others that come meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from queue import SimpleQueue

import pytest

from servers.backends._at_once import at_once
from servers.errors import InvalidRequest
from servers.speech import Utterance
from tests.backends.contract import by_index

WITHIN_S = 30.0


def texts(*said: str) -> list[Utterance]:
    return [Utterance(text=text) for text in said]


def spelt(utterance: Utterance) -> Generator[str, None, None]:
    yield from utterance.text


class Caller:
    """Arrivals that come by another thread, and call whoever waits for them."""

    def __init__(self) -> None:
        self._came: SimpleQueue[Utterance] = SimpleQueue()
        self._gone: list[int] = []
        self._call: Callable[[], None] = lambda: None

    def come(self, text: str) -> None:
        self._came.put(Utterance(text=text))
        self._call()

    def leave(self, index: int) -> None:
        self._gone.append(index)
        self._call()

    def joined(self) -> list[Utterance]:
        return [self._came.get() for _ in range(self._came.qsize())]

    def cancelled(self) -> list[int]:
        return self._gone

    def notify(self, call: Callable[[], None]) -> None:
        self._call = call


def test_each_requests_items_come_in_their_order():
    found = by_index(at_once(texts("abc", "", "de", "fghi"), spelt, 2))
    assert found == {0: list("abc"), 2: list("de"), 3: list("fghi")}


def test_two_are_served_at_the_same_time():
    both = threading.Barrier(2)

    def meet(_: Utterance) -> Generator[str, None, None]:
        both.wait(WITHIN_S)
        yield "met"

    assert by_index(at_once(texts("a", "b"), meet, 2)) == {0: ["met"], 1: ["met"]}


def test_no_more_are_served_than_it_may():
    serving, most = [], []

    def counted(utterance: Utterance) -> Generator[str, None, None]:
        serving.append(utterance)
        most.append(len(serving))
        yield "once"
        yield "twice"
        serving.remove(utterance)

    assert len(by_index(at_once(texts(*"abcdefg"), counted, 3))) == 7
    assert max(most) == 3


def test_an_error_of_one_leaves_the_others_and_whatever_else_is_raised_ends_all():
    def some(utterance: Utterance) -> Generator[str, None, None]:
        yield utterance.text
        if utterance.text == "bad":
            raise InvalidRequest("it is bad", param="text")
        if utterance.text == "broken":
            raise RuntimeError("broken")

    found = by_index(at_once(texts("good", "bad", "good"), some, 2))
    assert (found[0], found[2]) == (["good"], ["good"])
    assert found[1][0] == "bad"
    assert isinstance(found[1][1], InvalidRequest)
    with pytest.raises(RuntimeError, match="broken"):
        list(at_once(texts("good", "broken"), some, 2))


def test_whoever_comes_while_another_is_worked_on_is_begun_without_waiting_for_it():
    arrivals, heard = Caller(), threading.Event()

    def served(utterance: Utterance) -> Generator[str, None, None]:
        if utterance.text == "long":
            arrivals.come("short")
            assert heard.wait(WITHIN_S)
        yield utterance.text

    found = []
    for _, item in at_once(texts("long"), served, 2, arrivals):
        found.append(item)
        heard.set()
    assert found == ["short", "long"]


def test_whoever_leaves_while_it_is_worked_on_is_not_gone_on_with():
    arrivals, closed = Caller(), []

    def served(utterance: Utterance) -> Generator[str, None, None]:
        try:
            yield "first"
            arrivals.leave(0)
            yield "second"
            yield "third"
        finally:
            closed.append(utterance.text)

    assert list(at_once(texts("a"), served, 2, arrivals)) == [(0, "first")]
    assert closed == ["a"]


def test_closing_lets_go_of_what_is_being_served():
    closed: list[str] = []

    def served(utterance: Utterance) -> Generator[str, None, None]:
        try:
            while True:
                yield utterance.text
        finally:
            closed.append(utterance.text)

    items = at_once(texts("a", "b", "c"), served, 2)
    next(items)
    items.close()
    assert sorted(closed) == ["a", "b"]
