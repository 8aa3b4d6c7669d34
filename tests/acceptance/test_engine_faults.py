"""kill -9, SIGSTOP and SIGTERM against a real engine: an accepted job always ends, and ends once."""

from __future__ import annotations

import signal
import sys

import numpy as np
import pytest

from servers.errors import EngineUnavailable
from servers.jobs.client import JobsClient
from tests.acceptance.processes import Process, alive, eventually, running_engine

SHORT = {"text": "short", "chunks": 5, "pace_s": 0.02}
ENDLESS = {"text": "endless", "chunks": 100_000, "pace_s": 0.02}


@pytest.fixture
def engine():
    with running_engine(SKYLARK_ENGINE__LEASE_S="3", SKYLARK_ENGINE__DRAIN_S="3") as engine:
        yield engine


def running(engine, payload) -> str:
    job_id = engine.submit(payload)
    with engine.client.audio(job_id) as audio:
        next(audio.chunks)
    return job_id


def test_a_job_whose_runner_is_killed_is_run_again(engine):
    job_id = running(engine, {"text": "a", "chunks": 20, "pace_s": 0.05, "level": 3})
    (runner,) = engine.runners()
    runner.kill()
    job = engine.ended(job_id)
    assert (job["status"], job["attempt"]) == ("done", 2)
    assert engine.audio(job_id) == np.full(20 * 1600, 3, "<i2").tobytes()


def test_a_stream_is_broken_and_not_ended_when_its_runner_dies(engine):
    job_id = engine.submit({"text": "a", "chunks": 50, "pace_s": 0.05})
    with engine.client.audio(job_id) as audio:
        next(audio.chunks)
        engine.runners()[0].kill()
        with pytest.raises(EngineUnavailable):
            list(audio.chunks)
    assert engine.ended(job_id)["status"] == "done"


def test_a_poison_job_fails_after_three_attempts_and_the_others_do_not_notice(engine):
    jobs = [{"text": str(i), "chunks": 1} for i in range(6)]
    jobs[2]["crash_after"] = 0
    ids = engine.client.submit([{"model_type": "fake", "payload": p, "batch_key": "b"} for p in jobs])
    ended = [engine.ended(job_id) for job_id in ids]
    assert [job["status"] for job in ended] == ["done", "done", "failed", "done", "done", "done"]
    assert (ended[2]["attempt"], ended[2]["error"]["code"]) == (3, "runner_crashed")
    assert max(job["attempt"] for job in ended if job is not ended[2]) <= 2


def test_a_runner_that_was_stopped_past_its_lease_commits_nothing(engine):
    job_id = running(engine, {"text": "a", "chunks": 30, "pace_s": 0.05})
    (runner,) = engine.runners()
    runner.suspend()
    job = engine.ended(job_id)
    assert (job["status"], job["attempt"], job["result"]["samples"]) == ("done", 2, 30 * 1600)
    assert alive([runner]) == []


@pytest.mark.parametrize("victim", ["worker", "whole server"])
def test_every_accepted_job_ends_after_the_engine_was_killed(engine, victim):
    first = running(engine, {"text": "a", "chunks": 30, "pace_s": 0.05})
    ids = [first, *(engine.submit(SHORT) for _ in range(5))]
    runners = engine.runners()
    if victim == "worker":
        engine.worker.kill()  # gunicorn starts another
    else:
        worker = engine.worker
        engine.server.kill()
        worker.kill()
        engine.start()
    eventually(engine.answers, "the engine is back")
    jobs = [engine.ended(job_id) for job_id in ids]
    assert [job["status"] for job in jobs] == ["done"] * 6
    assert [job["attempt"] for job in jobs] == [2, 1, 1, 1, 1, 1]
    eventually(lambda: not alive(runners), "the orphaned runners ended")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a worker notices by itself, after some time")
def test_an_engine_whose_arbiter_was_killed_leaves_its_queue_and_address_to_the_next_one_at_once(engine):
    job_id = running(engine, {"text": "a", "chunks": 80, "pace_s": 0.05})
    family = [engine.worker, *engine.runners()]
    engine.server.kill()
    eventually(lambda: not alive(family), "its worker and its runners are gone", within_s=2)
    engine.start()
    assert engine.ended(job_id)["status"] == "done"


def test_sigterm_lets_a_running_job_end_and_leaves_no_process(engine):
    job_id = running(engine, {"text": "a", "chunks": 30, "pace_s": 0.05})
    queued = engine.submit(SHORT)
    family = engine.server.process.children(recursive=True)
    assert engine.server.stop() == 0
    assert alive(family) == []
    engine.start()
    assert (engine.client.get(job_id)["status"], engine.client.get(job_id)["attempt"]) == ("done", 1)
    assert engine.ended(queued)["status"] == "done"


def test_sigterm_returns_a_job_that_takes_too_long_to_the_queue(engine):
    job_id = running(engine, ENDLESS)
    family = engine.server.process.children(recursive=True)
    assert engine.server.stop() == 0
    assert alive(family) == []
    engine.start()
    eventually(lambda: engine.status(job_id) == "running", "the job runs again")
    assert engine.client.get(job_id)["attempt"] == 1
    engine.client.cancel(job_id)


def test_a_second_engine_on_the_same_folder_says_who_holds_it(engine):
    second = Process("servers.engine", engine.environment, engine.folder / "second.log")
    assert second.wait(60) != 0
    assert f"is held by process {engine.server.process.pid}" in second.log.read_text()
    newcomer = JobsClient(engine.folder / "engine.sock")  # with no connection from before
    assert newcomer.health()["status"] == "ok"
    newcomer.close()


def test_ctrl_c_in_the_terminal_does_not_kill_the_runners_behind_the_engines_back(engine):
    job_id = running(engine, {"text": "a", "chunks": 20, "pace_s": 0.02})
    (runner,) = engine.runners()
    runner.send_signal(signal.SIGINT)
    assert (engine.ended(job_id)["status"], engine.ended(job_id)["attempt"]) == ("done", 1)
