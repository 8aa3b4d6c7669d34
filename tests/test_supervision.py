from __future__ import annotations

import configparser
import fcntl
import io

import pytest

from servers.settings import ROOT
from servers.supervision import events, given_up, gone, is_held

GRACEFUL_TIMEOUT_S = 30


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "up.lock"
    path.touch()
    return path


def event(name: str, payload: str) -> bytes:
    return f"ver:3.0 server:supervisor serial:1 eventname:{name} len:{len(payload)}\n{payload}".encode()


def test_events_are_read_until_supervisord_closes_the_pipe_and_each_is_acknowledged():
    sent = event("TICK_5", "when:1") + event(
        "PROCESS_STATE_FATAL", "processname:tts groupname:doors from_state:BACKOFF"
    )
    answers = io.BytesIO()
    assert list(events(io.BytesIO(sent), answers)) == [
        ("TICK_5", {"when": "1"}),
        ("PROCESS_STATE_FATAL", {"processname": "tts", "groupname": "doors", "from_state": "BACKOFF"}),
    ]
    assert answers.getvalue() == b"READY\nRESULT 2\nOK" * 2 + b"READY\n"


def test_only_a_child_that_was_given_up_is_a_reason_to_stop():
    assert given_up("TICK_5", {"when": "1"}) is None
    reason = given_up("PROCESS_STATE_FATAL", {"processname": "tts"})
    assert reason == "tts cannot be kept running (its log says why): stopping everything"


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


@pytest.fixture
def conf():
    parser = configparser.RawConfigParser()
    parser.read(ROOT / "config" / "supervisord.conf")
    return parser


@pytest.mark.parametrize("program", ["engine", "tts", "whisperx"])
def test_each_server_is_run_as_a_module_and_given_time_to_end(conf, program):
    section = conf[f"program:{program}"]
    assert section["command"] == f'"%(ENV_SKYLARK_PYTHON)s" -m servers.{program}'
    assert section.getint("stopwaitsecs") > GRACEFUL_TIMEOUT_S
    assert (section["stopsignal"], section["stopasgroup"], section["killasgroup"]) == (
        "TERM",
        "false",
        "true",
    )


def test_the_doors_stop_before_the_engine(conf):
    assert conf["group:doors"].getint("priority") > conf["program:engine"].getint("priority")
