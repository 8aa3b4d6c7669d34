"""skylark start-gpu, stop-gpu, gpu, and --start-gpu, against a stand-in of /machine."""

from __future__ import annotations

import json
import time

import pytest

from servers.cli import start_gpu
from servers.cli.durations import clock
from servers.cli.start_gpu import MISSES

from .stand_in_machine import Machine

NO_CAPACITY = {"code": "no_capacity", "message": "no g5.xlarge in eu-central-1a", "next_attempt_at": None}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(start_gpu, "POLL_S", 0.005)


@pytest.fixture
def machine(server, home) -> Machine:
    """The stand-in behind a load balancer, with a server_config.json that points at it."""
    server.machine = Machine()
    (home / "server_config.json").write_text(
        json.dumps(
            {"server_url": f"{server.url}/tts", "whisper_url": f"{server.url}/whisperx", "api_key": "the key"}
        )
    )
    return server.machine


def asked(server, path):
    """What was posted there."""
    return [json.loads(body) for found, body, _ in server.requests if found == path and body]


# Starting


def test_each_stage_is_a_line_with_its_time_and_what_is_usual(run, machine):
    result = run("start-gpu")
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert lines == [
        "capacity          10 s  (usually 20 s)",
        "boot              20 s  (usually 1 min)",
        "image             30 s  (usually 40 s)",
        "model             40 s  (usually 50 s)",
        "first audio       50 s  (usually 10 s)",
    ]
    until = clock(machine.holds[0]["until"], time.time())
    assert result.stdout == (
        f"ready; g5.xlarge, spot, in eu-central-1a, $0.42 an hour; held until {until} by maria\n"
    )


def test_the_wish_has_its_reason_and_its_hold_and_the_key(run, machine, server):
    run("start-gpu", "--why", "chapter 3", "--hold", "1h30m")
    assert asked(server, "/machine/start") == [{"why": "chapter 3", "hold_s": 5400.0}]
    assert {headers["X-API-Key"] for _, _, headers in server.requests} == {"the key"}


def test_after_the_machine_its_doors_are_waited_for(run, machine, server):
    run("start-gpu")
    paths = [path for path, _, _ in server.requests]
    assert paths[-2:] == ["/tts/ready", "/whisperx/ready"]


def test_doors_that_do_not_come_are_said(run, machine, server, monkeypatch):
    monkeypatch.setattr(start_gpu, "DOORS_S", 0.0)
    machine.state = "ready"
    server.replies["/tts/ready"] = [(404, {}, {"error": {"code": "not_found", "message": "no rule"}})] * 2
    result = run("start-gpu")
    assert result.exit_code == 1
    assert "the machine is ready, and its servers are not reached through tts: no rule" in result.stderr


def test_one_that_is_ready_is_held_and_nothing_is_waited_for(run, machine, server):
    machine.state = "ready"
    result = run("start-gpu", "--hold", "2h")
    assert result.exit_code == 0
    assert asked(server, "/machine/start")[0]["hold_s"] == 7200.0
    assert result.stdout.startswith("ready; ")


def test_a_second_caller_joins_and_sees_who_started_it(run, machine):
    machine.state, machine.stage = "starting", 1
    machine.asked_by, machine.why, machine.asked_at = "ben", "a demonstration", time.time() - 7200
    result = run("start-gpu")
    assert result.exit_code == 0
    assert "ben asked for it 2 h ago (a demonstration): joining that start\n" in result.stderr


def test_json_is_the_machines_answer_and_nothing_else_is_on_stdout(run, machine):
    result = run("start-gpu", "--json")
    assert json.loads(result.stdout)["state"] == "ready"
    assert "capacity" in result.stderr


def test_want_of_capacity_is_said_once_with_when_it_is_tried_again(run, machine):
    again_at = time.time() + 60
    machine.faults = {
        1: NO_CAPACITY | {"next_attempt_at": again_at},
        2: NO_CAPACITY | {"next_attempt_at": again_at},
    }
    result = run("start-gpu")
    assert result.exit_code == 0
    line = f"no g5.xlarge in eu-central-1a: it is tried again at {clock(again_at, time.time())}, in "
    assert result.stderr.count(line) == 1


def test_a_start_that_was_given_up_is_exit_code_1_and_what_to_do(run, machine):
    machine.fails_at = 2
    result = run("start-gpu")
    assert result.exit_code == 1
    assert result.stderr.endswith(
        "skylark: the start was given up: no capacity for g5.xlarge in any zone for 2 hours: ask for another "
        "type; once that is mended, `skylark start-gpu` tries again\n"
    )


def test_a_machine_that_somebody_stops_meanwhile_is_not_waited_for(run, machine):
    machine.stopped_at = 2
    machine.stopped = {"by": "ben", "at": time.time() - 7200, "why": "a release"}
    result = run("start-gpu")
    assert result.exit_code == 1
    assert result.stderr.endswith("skylark: it was stopped while it started: ben, 2 h ago (a release)\n")


def test_after_the_timeout_it_says_where_it_is_and_that_it_goes_on(run, machine):
    machine.faults = dict.fromkeys(range(1, 1000), NO_CAPACITY)
    result = run("start-gpu", "--timeout", "1s")
    assert result.exit_code == 1
    assert "not ready after 1 s: it is at capacity (no g5.xlarge in eu-central-1a); the start goes on" in (
        result.stderr
    )


def test_ctrl_c_leaves_the_start_going_on_and_says_so(run, machine, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(start_gpu.time, "sleep", interrupted)
    result = run("start-gpu")
    assert result.exit_code == 130
    assert "the start goes on: `skylark gpu status` shows it, `skylark stop-gpu` ends it\n" in result.stderr
    assert machine.state == "starting"


def test_some_answers_may_be_missing(run, machine):
    machine.state, machine.missing = "starting", 0
    run_with = Machine.body

    def then_miss(self):
        self.missing = MISSES - 1 if self.looks == 1 else 0
        return run_with(self)

    machine.body = then_miss.__get__(machine)
    assert run("start-gpu").exit_code == 0


def test_too_many_that_are_missing_are_an_error(run, machine, server):
    begun = machine._start
    machine._start = lambda wish: (begun(wish), setattr(machine, "missing", 1000))[0]
    result = run("start-gpu")
    assert result.exit_code == 1
    assert "answered 502" in result.stderr
    assert sum(path == "/machine" for path, _, _ in server.requests) == 1 + MISSES


def test_missing_answers_do_not_outlast_the_timeout(run, machine, server):
    begun = machine._start
    machine._start = lambda wish: (begun(wish), setattr(machine, "missing", 1000))[0]
    assert run("start-gpu", "--timeout", "0s").exit_code == 1
    assert sum(path == "/machine" for path, _, _ in server.requests) <= 2


# Stopping, holding, looking


def test_it_is_stopped_with_a_reason(run, machine, server):
    machine.state = "ready"
    result = run("stop-gpu", "--why", "done for today")
    assert (result.exit_code, machine.state) == (0, "stopping")
    assert asked(server, "/machine/stop") == [{"force": False, "why": "done for today"}]
    assert result.stdout.splitlines()[0] == "state    stopping"


@pytest.mark.parametrize(
    ("active", "holds", "message"),
    [
        (2, [], "it is not stopped: it has 2 pieces of work"),
        (0, [{"by": "ben", "until": 2e9, "why": None}], "it is not stopped: ben holds it"),
    ],
)
def test_while_it_works_or_is_held_it_is_stopped_by_force_only(run, machine, active, holds, message):
    machine.state, machine.active, machine.holds = "ready", active, holds
    result = run("stop-gpu")
    assert (result.exit_code, machine.state) == (1, "ready")
    assert (
        result.stderr
        == f"skylark: {message}. With force it is stopped all the same (`skylark stop-gpu --force`)\n"
    )
    assert run("stop-gpu", "--force").exit_code == 0
    assert machine.state == "stopping"


def test_a_hold_is_written_and_taken_away(run, machine, server):
    machine.state = "ready"
    result = run("gpu", "hold", "2h", "--why", "a demonstration")
    until = clock(machine.holds[0]["until"], time.time())
    assert until in result.stdout
    assert "by maria (a demonstration)" in result.stdout
    assert run("gpu", "hold", "0").exit_code == 0
    assert machine.holds == []
    assert [wish["for_s"] for wish in asked(server, "/machine/hold")] == [7200.0, 0.0]


def test_the_limit_of_a_hold_is_the_machines(run, machine):
    result = run("gpu", "hold", "8d")
    assert (result.exit_code, result.stderr) == (1, "skylark: for_s: at most 7 days\n")


def test_the_status_of_a_machine_that_is_off(run, machine):
    result = run("gpu", "status")
    assert result.stdout == (
        "state    off\ncost     $0.40 today, $12.30 this month; stopping saved unknown this month\n"
    )


def test_the_status_of_one_that_is_off_says_who_stopped_it_and_why(run, machine):
    machine.stopped = {"by": "auto_stop", "at": time.time() - 7200, "why": "no work for 900 s"}
    assert "stopped  auto_stop, 2 h ago (no work for 900 s)\n" in run("gpu", "status").stdout


def test_the_status_of_one_that_starts_has_the_stages(run, machine):
    machine.state, machine.stage, machine.asked_by, machine.asked_at = "starting", 0, "ben", time.time()
    lines = run("gpu", "status").stdout.splitlines()
    assert lines[0] == "state    starting, ready in about 2 min 20 s"
    assert "         ✓ capacity          10 s  (usually 20 s)" in lines
    assert "         … boot              20 s  (usually 1 min)" in lines
    assert "         · model                   (usually 50 s)" in lines


def test_the_status_of_one_that_works(run, machine):
    machine.state, machine.active, machine.waiting = "ready", 3, 2
    lines = run("gpu", "status").stdout.splitlines()
    assert lines[:2] == ["state    busy", "machine  i-0a, g5.xlarge, spot, in eu-central-1a, $0.42 an hour"]
    assert "work     3 pieces of work in hand" in lines
    assert "waiting  2 accepted while it was off" in lines


def test_the_status_of_a_failed_start_is_exit_code_1(run, machine):
    machine.state = "failed"
    result = run("gpu", "status")
    assert result.exit_code == 1
    assert "fault    no capacity for g5.xlarge" in result.stdout
    assert json.loads(run("gpu", "status", "--json").stdout)["state"] == "failed"


# --start-gpu


@pytest.mark.parametrize(
    ("command", "door"),
    [
        (("say", "Hello."), "tts"),
        (("transcribe", "a.wav"), "whisperx"),
        (("align", "a.wav", "hello"), "whisperx"),
    ],
)
def test_a_command_starts_the_machine_and_goes_on(run, machine, server, home, command, door):
    (home / "a.wav").write_bytes(b"audio")
    result = run(*command, "--start-gpu")
    assert result.exit_code == 0
    assert asked(server, "/machine/start") == [{"why": f"skylark {command[0]}", "hold_s": 900.0}]
    assert "first audio" in result.stderr
    assert server.requests[-1][0].startswith(f"/{door}/")
    assert not result.stdout.startswith("ready")


def test_a_book_starts_it_once(run, machine, server, home):
    (home / "book.txt").write_text("One.\n\nTwo.\n\nThree.\n\nFour.\n\nFive.\n")
    assert run("say", "book.txt", "--out-dir", "chapters", "--start-gpu").exit_code == 0
    assert len(asked(server, "/machine/start")) == 1
    assert len(list((home / "chapters").glob("*.wav"))) == 5


def test_where_the_server_is_ready_nothing_is_started(run, machine, server):
    machine.state = "ready"
    result = run("say", "Hello.", "--start-gpu")
    assert (result.exit_code, result.stderr) == (0, "skylark: it is ready: nothing was to be started\n")
    assert not [path for path, _, _ in server.requests if path.startswith("/machine")]


def test_audio_on_standard_output_has_nothing_else_beside_it(run, machine):
    assert run("say", "Hello.", "--out", "-", "--start-gpu").stdout_bytes == b"audio of Hello."


def test_an_appliance_without_a_machine_that_is_ready_needs_none(run, configured):
    assert run("say", "Hello.", "--start-gpu").exit_code == 0


def test_an_appliance_without_a_machine_that_is_not_ready_is_told_so(run, configured):
    configured.replies["/ready"] = [
        (503, {}, {"error": {"code": "engine_unavailable", "message": "no engine"}})
    ]
    result = run("say", "Hello.", "--start-gpu")
    assert result.exit_code == 2
    assert (
        f"no engine; and {configured.url}/machine is not there: "
        "nothing starts or stops a machine at that host" in result.stderr
    )


def test_a_start_that_fails_speaks_nothing(run, machine, server):
    machine.fails_at = 1
    assert run("say", "Hello.", "--start-gpu").exit_code == 1
    assert server.texts() == []


def test_without_the_option_a_machine_that_is_off_is_said_with_what_to_do(run, machine, server):
    server.replies["/tts/generate_batch"] = [
        (503, {"Retry-After": "60"}, {"error": {"code": "machine_off", "message": "it starts: 140 s left"}})
    ]
    result = run("say", "Hello.")
    assert result.exit_code == 3
    assert result.stderr == (
        "skylark: it starts: 140 s left; the same command with --start-gpu waits until it is ready\n"
    )


# What is said wrongly, and who answers wrongly


@pytest.mark.parametrize(
    "duration", ["", "2", "h", "2 bananas", "-2h", "1e3s", "2h2h", "1s2h", "٣h", "nan", "2h;"]
)
def test_a_duration_that_is_none(run, machine, server, duration):
    result = run("gpu", "hold", "--", duration)
    assert (result.exit_code, server.requests) == (2, [])
    assert result.stderr == (f"skylark: {duration!r} is no duration: say it as 90s, 45m, 2h, 1h30m or 1d\n")


@pytest.mark.parametrize("option", ["--hold", "--timeout"])
def test_an_options_duration_is_named_with_it(run, machine, option):
    result = run("start-gpu", option, "soon")
    assert (result.exit_code, result.stderr.partition(" is no")[0]) == (2, f"skylark: {option}: 'soon'")


@pytest.mark.parametrize("command", [("start-gpu",), ("stop-gpu",), ("gpu", "status"), ("gpu", "ledger")])
def test_without_a_server_nobody_guesses(run, command):
    result = run(*command)
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "skylark: no server is configured: say with --server https://gpu.example.com"
    )


def test_a_wrong_key_is_said(run, machine, server):
    server.key = "another"
    result = run("start-gpu")
    assert (result.exit_code, result.stderr) == (1, "skylark: no such API key\n")


def test_a_host_without_a_machine_is_told_where_to_name_one(run, configured):
    result = run("start-gpu")
    assert result.exit_code == 2
    assert "machine_url in server_config.json, or by --machine" in result.stderr


def test_a_host_that_is_away_is_exit_code_3(run):
    result = run("gpu", "status", "--server", "http://127.0.0.1:1")
    assert result.exit_code == 3
    assert result.stderr.startswith("skylark: http://127.0.0.1:1/machine cannot be reached")


def test_what_is_no_status_is_said(run, machine, server):
    machine.body = lambda: {"hello": 1}
    result = run("gpu", "status")
    assert (result.exit_code, result.stderr) == (
        1,
        "skylark: what the machine answered is no status of one: state\n",
    )


def test_its_face_can_be_elsewhere(run, machine, server, home):
    path = home / "server_config.json"
    path.write_text(
        json.dumps({"server_url": "http://127.0.0.1:1/tts", "machine_url": f"{server.url}/machine"})
    )
    assert run("gpu", "status").exit_code == 0
    path.write_text(json.dumps({"server_url": "http://127.0.0.1:1/tts"}))
    assert run("gpu", "status", "--machine", f"{server.url}/machine").exit_code == 0
    assert run("gpu", "status", "--machine", "gpu").stderr == (
        "skylark: --machine: gpu has to start with http:// or https://\n"
    )


def test_one_that_cannot_be_stopped_is_not_to_be_forced(run, machine, server):
    error = {
        "code": "unstoppable",
        "message": "it is not stopped: its request is a one-time one",
        "param": None,
    }
    server.machine = None
    server.replies["/machine/stop"] = [(409, {}, {"error": error})]
    assert run("stop-gpu").stderr == "skylark: it is not stopped: its request is a one-time one\n"


def test_a_hold_that_nobody_can_read_has_no_end(run, machine):
    machine.state, machine.holds = "ready", [{"by": "ben", "until": None, "why": "holds/ben is no JSON"}]
    assert "held     without an end by ben (holds/ben is no JSON)\n" in run("gpu", "status").stdout
    assert "held without an end by ben\n" in run("start-gpu").stdout


def test_a_smoke_test_starts_the_machine_too(run, machine, server):
    result = run("smoke", "--start-gpu")
    assert asked(server, "/machine/start") == [{"why": "skylark smoke", "hold_s": 900.0}]
    assert "ok" in result.stdout.splitlines()[0]


def test_a_machine_alone_says_where_its_servers_are(run, server):
    server.machine = Machine()
    result = run("start-gpu", "--machine", f"{server.url}/machine", env={"TTS_API_KEY": "the key"})
    assert [path for path, _, _ in server.requests if path.endswith("/ready")] == ["/ready"]
    assert server.requests[0][2]["X-API-Key"] == "the key"
    assert result.exit_code == 0
