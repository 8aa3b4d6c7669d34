"""A long job beside short ones, with real runners: interrupted, saved and killed, it ends all the same."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.acceptance.processes import Engine, eventually, running_engine

STEP_S = 0.02


def count(engine: Engine, steps: int, **payload) -> str:
    log = engine.folder / "steps.log"
    payload = {"steps": steps, "step_s": STEP_S, "log": str(log), **payload}
    (job_id,) = engine.client.submit([{"model_type": "counting", "payload": payload, "expires": False}])
    return job_id


def counted(engine: Engine) -> list[int]:
    return [int(line) for line in (engine.folder / "steps.log").read_text().split()]


def speak(engine: Engine, **fields) -> dict:
    return engine.ended(engine.submit({"text": "a", "chunks": 1}, **fields))


@pytest.mark.parametrize(
    ("max_models", "times"), [("1", 6), ("2", 50)], ids=["saved each time", "paused each time"]
)
def test_a_long_job_that_is_interrupted_and_killed_leaves_no_step_out_and_does_none_twice(max_models, times):
    with running_engine(
        SKYLARK_ENGINE__MIN_RESIDENCY_S="0",
        SKYLARK_ENGINE__KEEP_ALIVE_S="0.2",  # or one that was just used would not leave for a long job
        SKYLARK_ENGINE__MAX_MODELS=max_models,
    ) as engine:
        long = count(engine, steps=4_000)
        for interruption in range(times):
            before = progress(engine)
            eventually(lambda: progress(engine) > before, "it comes on")  # noqa: B023
            if interruption % 3 == 2 and interruption < 6:
                kill_the_counter(engine)
            assert speak(engine)["status"] == "done"
        engine.client.cancel(long)
        steps = counted(engine)
        assert steps == list(range(1, len(steps) + 1))
        attempts = engine.events(long)[-1]["attempts"]
        lost = [each for each in attempts if each["outcome"] == "lost"]
        saved = [each for each in attempts if each["outcome"] == "returned"]
        assert len(lost) == 2
        assert len(saved) >= times - 2 if max_models == "1" else len(attempts) == 3


def progress(engine: Engine) -> int:
    """How many steps were done for good."""
    log = engine.folder / "steps.log"
    return len(log.read_text().split()) if log.exists() else 0


def kill_the_counter(engine: Engine) -> None:
    lines = map(json.loads, (engine.folder / "engine.log").read_text().splitlines())
    pids = [line["runner"] for line in lines if line.get("action") == "load" and "counting" in line["model"]]
    os.kill(pids[-1], signal.SIGKILL)


def test_an_urgent_job_starts_while_a_long_one_waits_at_its_step():
    with running_engine(SKYLARK_ENGINE__MIN_RESIDENCY_S="0") as engine:
        speak(engine)
        long = count(engine, steps=100_000)
        eventually(lambda: engine.status(long) == "running", "the long job runs")
        job = speak(engine, priority=0)
        assert job["status"] == "done"
        assert engine.status(long) == "running"
        assert len(engine.runners()) == 2, "it keeps its memory"
        engine.client.cancel(long)
        assert engine.status(long) == "cancelled"
        assert speak(engine)["status"] == "done"


def test_a_long_job_outlives_the_engine():
    with running_engine(SKYLARK_ENGINE__MIN_RESIDENCY_S="0") as engine:
        long = count(engine, steps=300)
        for kill in (True, True, True, True, False):
            eventually(lambda: engine.client.get(long)["progress"], "it comes on")
            if kill:
                worker = engine.worker
                engine.server.kill()
                worker.kill()
            else:
                assert engine.server.stop() == 0
            engine.start()
        job = engine.ended(long)
        assert (job["status"], job["result"]["resumed"]) == ("done", True)
        assert counted(engine) == list(range(1, 301))
