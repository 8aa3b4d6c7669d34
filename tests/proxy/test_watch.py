"""The thread that asks: once for all who want to know, and not at all where nobody does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from servers.errors import EngineUnavailable
from servers.proxy import watch as module
from servers.proxy.answers import Answers, Fault
from servers.proxy.snapshot import State
from servers.proxy.watch import Seen, Watch
from tests.proxy.test_snapshot import UP, queue

WITHIN_S = 20.0


class Upstreams:
    """What a look finds; `looks` counts them, and each waits for `may_answer`."""

    def __init__(self) -> None:
        self.answers: Answers = UP
        self.looks = 0
        self.looked = threading.Condition()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def look(self) -> Answers:
        assert self.may_answer.wait(WITHIN_S)
        with self.looked:
            self.looks += 1
            self.looked.notify_all()
        return self.answers

    def wait_for_looks(self, count: int) -> None:
        with self.looked:
            assert self.looked.wait_for(lambda: self.looks >= count, WITHIN_S), f"{self.looks} looks"


@pytest.fixture
def upstreams() -> Upstreams:
    return Upstreams()


@pytest.fixture
def watch(upstreams) -> Iterator[Watch]:
    watch = Watch(upstreams.look, every_s=0.05)
    yield watch
    upstreams.may_answer.set()
    watch.close()


@pytest.fixture
def slow_watch(upstreams) -> Iterator[Watch]:
    """Looks once, and then not for as long as a test may take."""
    watch = Watch(upstreams.look, every_s=600)
    yield watch
    upstreams.may_answer.set()
    watch.close()


def always() -> bool:
    return True


def told(watch: Watch, count: int) -> list[Seen | None]:
    listener = watch.listen(always)
    found = [next(listener) for _ in range(count)]
    listener.close()
    return found


def test_nobody_is_asked_before_somebody_wants_to_know(slow_watch, upstreams):
    assert upstreams.looks == 0
    assert slow_watch.seen().snapshot.state is State.READY
    assert upstreams.looks == 1


def test_two_hundred_visitors_at_once_cost_one_look(slow_watch, upstreams):
    upstreams.may_answer.clear()
    found: list[Seen] = []
    threads = [threading.Thread(target=lambda: found.append(slow_watch.seen())) for _ in range(200)]
    for thread in threads:
        thread.start()
    upstreams.may_answer.set()
    for thread in threads:
        thread.join(WITHIN_S)
    assert len(found) == 200
    assert len({id(each) for each in found}) == 1
    assert upstreams.looks == 1


def test_each_listener_is_told_at_once_and_of_each_change(watch, upstreams):
    first, second = watch.listen(always), watch.listen(always)
    assert next(first).snapshot.state is next(second).snapshot.state is State.READY
    upstreams.answers = replace(UP, queue=queue(running=1))
    assert next(first).snapshot.message == next(second).snapshot.message == "Busy: 1 job runs."
    first.close()
    second.close()


def test_where_nothing_changes_nothing_is_told(watch, upstreams, monkeypatch):
    monkeypatch.setattr(module, "KEEP_ALIVE_S", 0.2)
    monkeypatch.setattr(module, "GLANCE_S", 0.05)
    first, *more = told(watch, 3)
    assert first is not None
    assert more == [None, None]
    assert upstreams.looks > 1


def test_a_slow_listener_is_told_how_it_is_and_not_how_it_was(watch, upstreams):
    listener = watch.listen(always)
    next(listener)
    for state in ("off", "starting", "stopping"):
        upstreams.answers = replace(UP, machine={"state": state})
        upstreams.wait_for_looks(upstreams.looks + 2)
    assert next(listener).snapshot.state is State.STOPPING
    listener.close()


def test_a_listener_whose_client_has_gone_ends(watch):
    connected = True
    listener = watch.listen(lambda: connected)
    next(listener)
    connected = False
    assert list(listener) == []


def test_when_the_server_ends_all_listeners_end(slow_watch, upstreams):
    listeners = [slow_watch.listen(always) for _ in range(3)]
    for listener in listeners:
        next(listener)
    slow_watch.end()
    assert [list(listener) for listener in listeners] == [[], [], []]


def test_once_nobody_wants_to_know_nobody_is_asked_and_later_it_begins_anew(upstreams):
    now_s = 0.0
    watch = Watch(upstreams.look, every_s=0.01, ticks=lambda: now_s)
    listener = watch.listen(always)
    assert next(listener).snapshot.state is State.READY
    (thread,) = [each for each in threading.enumerate() if each.name == "watch"]
    listener.close()
    now_s += module.LINGER_S + 1
    thread.join(WITHIN_S)
    assert not thread.is_alive()
    upstreams.answers = replace(UP, machine={"state": "off"})
    assert watch.seen().snapshot.state is State.OFF, "what was found long ago is told"
    watch.close()


def test_what_was_done_is_looked_for_at_once(slow_watch, upstreams):
    listener = slow_watch.listen(always)
    next(listener)
    upstreams.answers = replace(UP, machine={"state": "starting"})
    slow_watch.look_soon()
    assert next(listener).snapshot.state is State.STARTING
    listener.close()


def test_where_a_look_takes_too_long_that_is_an_error_and_no_stale_answer(slow_watch, upstreams, monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    upstreams.may_answer.clear()
    with pytest.raises(EngineUnavailable, match="nothing is known of the servers yet"):
        slow_watch.seen()


def test_a_fault_of_the_upstreams_is_a_state_and_ends_nothing(watch, upstreams):
    listener = watch.listen(always)
    next(listener)
    upstreams.answers = Answers(Fault.SILENT, Fault.GARBLED)
    assert next(listener).snapshot.state is State.UNREACHABLE
    upstreams.answers = UP
    assert next(listener).snapshot.state is State.READY
    listener.close()
