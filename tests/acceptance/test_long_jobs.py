"""A long job beside short ones, with real runners: interrupted, saved and killed, it ends all the same."""

from __future__ import annotations

import random

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


@pytest.mark.parametrize("max_models", ["1", "2"], ids=["saved each time", "paused each time"])
def test_a_long_job_is_interrupted_fifty_times_and_no_step_is_lost_or_done_twice(max_models):
    dice = random.Random(3)
    with running_engine(SKYLARK_ENGINE__MIN_RESIDENCY_S="0", SKYLARK_ENGINE__MAX_MODELS=max_models) as engine:
        interruptions, kills = (12, 2) if max_models == "1" else (50, 3)
        long = count(engine, steps=400)
        eventually(lambda: engine.status(long) == "running", "the long job runs")
        for interruption in range(interruptions):
            assert speak(engine)["status"] == "done"
            if interruption % (interruptions // kills) == 1:
                kill_the_counter(engine, dice)
            if engine.status(long) == "done":
                break
        job = engine.ended(long)
        assert (job["status"], job["result"]["steps"]) == ("done", 400)
        assert counted(engine) == list(range(1, 401))
        assert job["attempt"] <= 3
        assert not (engine.data_dir / "saves" / long).exists()


def kill_the_counter(engine: Engine, dice: random.Random) -> None:
    runners = engine.runners()
    if runners:
        dice.choice(runners).kill()


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
