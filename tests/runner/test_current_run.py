"""One run inside a runner: who joins it, who leaves it, and when it pauses."""

from __future__ import annotations

import threading

import pytest

from servers.backends.base import taken_up
from servers.backends.espeak import Espeak
from servers.runner.current_run import CurrentRun


class Outbox:
    def __init__(self) -> None:
        self.sent: list[dict] = []
        self.changed = threading.Event()

    def put(self, message: dict, payload: bytes = b"") -> None:
        self.sent.append(message)
        self.changed.set()


@pytest.fixture
def outbox():
    return Outbox()


@pytest.fixture
def run(outbox):
    return CurrentRun(5, "synthesize", [{"text": "0"}, {"text": "1"}], outbox)


def begin(run: CurrentRun) -> list[str]:
    return [each.text for each in run.begin(lambda payload: taken_up(Espeak, payload))]


def join(run: CurrentRun, *texts: str) -> None:
    run.take({"op": "join", "run": 5, "payloads": [{"text": text} for text in texts]})


def test_a_run_begins_with_what_is_there(run):
    assert run.is_open
    assert begin(run) == ["0", "1"]
    assert (run.taken, run.is_open, run.joined()) == (2, False, ())


def test_those_that_join_are_given_once_and_in_order(run):
    begin(run)
    join(run, "2")
    join(run, "3", "4")
    assert [each.text for each in run.joined()] == ["2", "3", "4"]
    assert run.joined() == ()
    assert run.taken == 5
    assert [run.index_of(place) for place in range(5)] == [0, 1, 2, 3, 4]


def test_one_that_joined_too_late_opens_the_run_again_at_its_own_index(run):
    begin(run)
    join(run, "2")
    assert run.is_open
    assert begin(run) == ["2"]
    assert run.index_of(0) == 2


def test_a_request_that_cannot_be_is_answered_and_leaves_the_places_of_the_others(run, outbox):
    begin(run)
    join(run, " ", "3")
    assert [each.text for each in run.joined()] == ["3"]
    assert (run.index_of(2), run.taken) == (3, 4)
    (answer,) = outbox.sent
    assert (answer["op"], answer["index"], answer["error"]["param"]) == ("error", 2, "text")


def test_a_request_that_nobody_wants_any_more_is_named_by_its_place(run):
    begin(run)
    join(run, "2")
    begin(run)
    run.take({"op": "cancel", "run": 5, "index": 2})
    assert list(run.cancelled()) == [0]
    assert not run.is_cancelled


def test_a_request_that_was_called_off_before_it_joined_is_not_given(run):
    begin(run)
    join(run, "2", "3")
    run.take({"op": "cancel", "run": 5, "index": 2})
    assert [each.text for each in run.joined()] == ["3"]
    assert run.taken == 4


def test_a_cancelled_run_is_not_begun_again(run):
    begin(run)
    join(run, "2")
    run.take({"op": "cancel", "run": 5, "index": None})
    assert (run.is_cancelled, run.is_open) == (True, False)


def test_steps_go_on_until_something_else_is_asked(run, outbox):
    assert run.go_on()
    assert outbox.sent == []


def test_a_run_that_is_to_save_itself_does_not_go_on(run):
    run.take({"op": "save", "run": 5})
    assert not run.go_on()


@pytest.mark.parametrize(("then", "goes_on"), [("resume", True), ("save", False), ("cancel", False)])
def test_a_paused_run_says_so_and_waits_until_it_is_told_more(run, outbox, then, goes_on):
    run.take({"op": "pause", "run": 5})
    answers = []
    thread = threading.Thread(target=lambda: answers.append(run.go_on()))
    thread.start()
    assert outbox.changed.wait(10)
    assert (outbox.sent, answers) == ([{"op": "paused", "run": 5}], [])
    run.take({"op": then, "run": 5})
    thread.join(10)
    assert answers == [goes_on]


def test_whoever_waits_for_news_is_called_when_somebody_comes_or_leaves(run):
    begin(run)
    calls = []
    run.notify(lambda: calls.append([each.text for each in run.joined()]))
    join(run, "2")
    run.take({"op": "cancel", "run": 5, "index": 0})
    assert calls == [["2"], []]
    assert list(run.cancelled()) == [0]
