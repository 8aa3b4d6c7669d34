"""A real runner process, told what to do over the wire, with the stand-in model."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from servers.runner.wire import Wire

STAND_INS = Path(__file__).parent.parent / "stand_ins"


class Runner:
    """The engine's end of the wire."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(20)
        with theirs:
            command = [sys.executable, "-m", "servers.runner", str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)
        self.wire = Wire(ours)

    def load(self, name: str = "one", backend: str = "fake", **options) -> dict:
        model = {"backend": backend, "name": name, "options": options}
        order = {"op": "load", "model": model, "device": "cpu", "backends_path": [str(STAND_INS)]}
        self.wire.send(order | {"warmup_text": "Ready."})
        return self.hear()[0]

    def run(self, *payloads: dict, task: str = "synthesize", number: int = 1) -> None:
        self.wire.send({"op": "run", "run": number, "task": task, "payloads": list(payloads)})

    def hear(self) -> tuple[dict, bytes]:
        """The next message that is not a heartbeat."""
        while True:
            frame = self.wire.receive()
            assert frame is not None, "the runner went away"
            if frame[0]["op"] != "beat":
                return frame

    def hear_run(self) -> list[tuple[dict, bytes]]:
        frames = [self.hear()]
        while frames[-1][0]["op"] != "end":
            frames.append(self.hear())
        return frames


@pytest.fixture
def runner():
    runner = Runner()
    yield runner
    runner.wire.close()
    assert runner.process.wait(10) is not None


def test_a_loaded_model_says_what_it_is(runner):
    ready = runner.load()
    assert ready["op"] == "ready"
    assert [voice["name"] for voice in ready["about"]["voices"]] == ["low", "high"]


def test_chunks_come_before_the_result_and_the_end_comes_last(runner):
    runner.load()
    runner.run({"text": "hi", "chunks": 2, "chunk_ms": 10, "level": 7})
    frames = runner.hear_run()
    assert [message["op"] for message, _ in frames] == ["chunk", "chunk", "result", "end"]
    assert frames[0][1] == np.full(160, 7, "<i2").tobytes()
    assert frames[2][0]["result"]["finish_reason"] == "stop"


def test_an_error_of_one_request_leaves_the_others_alone(runner):
    runner.load()
    runner.run({"text": "a", "voice": "nobody"}, {"text": "b", "chunks": 1})
    ends = {m["index"]: m for m, _ in runner.hear_run() if m["op"] in ("result", "error")}
    assert ends[0]["error"]["code"] == "unknown_voice"
    assert ends[1]["op"] == "result"


def test_a_model_that_raises_breaks_the_batch_and_the_runner_goes_on(runner):
    runner.load()
    runner.run({"text": "a", "raise_after": 0}, {"text": "b"})
    broken, _end = (message for message, _ in runner.hear_run())
    assert broken["error"]["code"] == "backend_failed"
    assert broken["error"]["message"] == "RuntimeError: asked to raise"
    runner.run({"text": "c", "chunks": 1}, number=2)
    assert [m["op"] for m, _ in runner.hear_run()] == ["chunk", "result", "end"]


def test_a_cancelled_run_ends_at_the_next_chunk(runner):
    runner.load()
    runner.run({"text": "a", "chunks": 10_000, "pace_s": 0.01})
    assert runner.hear()[0]["op"] == "chunk"
    runner.wire.send({"op": "cancel", "run": 1})
    frames = runner.hear_run()
    assert len(frames) < 1000
    assert "result" not in {message["op"] for message, _ in frames}


def test_a_cancellation_that_comes_before_its_run_is_begun_is_not_lost(runner):
    runner.load()
    runner.run({"text": "a", "chunks": 20, "pace_s": 0.01})
    runner.run({"text": "b", "chunks": 10_000, "pace_s": 0.01}, number=2)
    runner.wire.send({"op": "cancel", "run": 2})
    runner.hear_run()
    assert len(runner.hear_run()) <= 2


def test_a_model_that_cannot_load_says_why(runner):
    assert runner.load(fail_load=True)["error"]["code"] == "model_load_failed"


def test_an_unknown_backend_is_said_with_the_known_ones(runner):
    error = runner.load(backend="nothing")["error"]
    assert error["code"] == "unknown_model"
    assert "fake" in error["message"]


def test_the_runner_follows_a_dead_engine_also_in_the_middle_of_work(runner):
    runner.load()
    runner.run({"text": "a", "chunks": 10_000, "pace_s": 0.05})
    runner.hear()
    runner.wire.close()
    assert runner.process.wait(10) == 0


def test_a_request_that_joins_is_served_in_the_same_run_at_the_next_index(runner):
    runner.load(backend="joinable", step_s=0.02)
    runner.run({"text": "a", "chunks": 40})
    runner.hear()
    runner.wire.send({"op": "join", "run": 1, "payloads": [{"text": "b", "chunks": 2}]})
    ended = [m["index"] for m, _ in runner.hear_run() if m["op"] == "result"]
    assert ended == [1, 0]


def test_a_request_that_joins_a_run_that_has_ended_was_not_taken(runner):
    runner.load(backend="joinable")
    runner.run({"text": "a", "chunks": 1})
    assert runner.hear_run()[-1][0]["taken"] == 1
    runner.wire.send({"op": "join", "run": 1, "payloads": [{"text": "late"}]})
    runner.run({"text": "b", "chunks": 1}, number=2)
    assert {m["run"] for m, _ in runner.hear_run()} == {2}


def test_one_request_of_a_run_is_called_off(runner):
    runner.load(backend="joinable", step_s=0.02)
    runner.run({"text": "a", "chunks": 20}, {"text": "b", "chunks": 10_000})
    runner.hear()
    runner.wire.send({"op": "cancel", "run": 1, "index": 1})
    assert [m["index"] for m, _ in runner.hear_run() if m["op"] == "result"] == [0]


def test_words_go_with_their_chunks(runner):
    runner.load(backend="joinable")
    runner.run({"text": "a", "chunks": 2})
    frames = runner.hear_run()
    assert [word["end"] for m, _ in frames if m["op"] == "chunk" for word in m["words"]] == [0.01, 0.02]


def test_a_preemptible_run_is_paused_goes_on_and_is_saved_at_its_steps(runner, tmp_path):
    runner.load(backend="counting")
    payload = {"steps": 100_000, "log": str(tmp_path / "log"), "resume_from": str(tmp_path)}
    runner.run(payload, task="train")
    runner.hear()
    runner.wire.send({"op": "pause", "run": 1})
    while runner.hear()[0]["op"] != "paused":
        continue
    runner.wire.send({"op": "resume", "run": 1})
    assert runner.hear()[0]["op"] == "progress"
    runner.wire.send({"op": "save", "run": 1})
    assert [m["op"] for m, _ in runner.hear_run()[-2:]] == ["saved", "end"]
    assert int((tmp_path / "step").read_text()) >= 2
