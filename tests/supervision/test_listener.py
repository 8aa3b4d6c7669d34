"""When supervisord is told to end."""

from __future__ import annotations

import fcntl
import io

import pytest

from servers.supervision.listener import events, given_up, gone, is_held


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "up.lock"
    path.touch()
    return path


def event(name: str, payload: str) -> str:
    return f"ver:3.0 server:supervisor serial:1 eventname:{name} len:{len(payload)}\n{payload}"


def test_events_are_read_until_supervisord_closes_the_pipe_and_each_is_acknowledged():
    sent = event("TICK_5", "when:1") + event(
        "PROCESS_STATE_FATAL", "processname:tts groupname:doors from_state:BACKOFF"
    )
    answers = io.StringIO()
    assert list(events(io.StringIO(sent), answers)) == [
        ("TICK_5", {"when": "1"}),
        ("PROCESS_STATE_FATAL", {"processname": "tts", "groupname": "doors", "from_state": "BACKOFF"}),
    ]
    assert answers.getvalue() == "READY\nRESULT 2\nOK" * 2 + "READY\n"


def test_only_a_child_that_was_given_up_is_a_reason_to_stop():
    assert given_up("TICK_5", {"when": "1"}) is None
    reason = given_up("PROCESS_STATE_FATAL", {"processname": "tts"})
    assert reason == "tts cannot be kept running (its log says why): stopping everything"


def test_a_monitor_that_was_given_up_ends_nothing():
    assert given_up("PROCESS_STATE_FATAL", {"processname": "monitor"}) is None


def test_a_lock_is_held_for_as_long_as_its_process_has_it(lock):
    assert not is_held(lock)
    with lock.open("a") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert is_held(lock)
        assert gone(lock) is None
    assert not is_held(lock)
    assert gone(lock) == "`skylark up` is gone: stopping what it started"


def test_without_a_lock_file_nobody_holds_it(tmp_path):
    assert not is_held(tmp_path / "up.lock")
