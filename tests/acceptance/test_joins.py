"""Requests that join a running batch, in a real engine with real runners."""

from __future__ import annotations

import json

import numpy as np
import pytest

from servers.unix_http import UnixPool
from tests.acceptance.processes import eventually, running_engine

JOINABLE = {"model_type": "joinable", "model": "slow"}


@pytest.fixture(scope="module")
def engine():
    with running_engine(SKYLARK_ENGINE__MIN_RESIDENCY_S="0", SKYLARK_ENGINE__MAX_MODELS="3") as engine:
        yield engine


def submit(engine, chunks: int, level: int = 1, **fields) -> str:
    payload = {"text": "a", "chunks": chunks, "level": level, **fields.pop("payload", {})}
    (job_id,) = engine.client.submit([JOINABLE | {"payload": payload} | fields])
    return job_id


@pytest.fixture
def busy(engine):
    """A job whose batch runs until the test is over."""
    job_id = submit(engine, 2_000)
    eventually(lambda: engine.status(job_id) == "running", "the batch runs")
    yield job_id
    engine.client.cancel(job_id)
    eventually(lambda: not engine.client.queue()["running"], "the batch is over")


def test_a_job_joins_what_its_model_computes_and_ends_before_it(engine, busy):
    job = engine.ended(submit(engine, 3, level=7))
    assert (job["status"], job["attempt"]) == ("done", 1)
    assert engine.audio(job["id"]) == np.full(480, 7, "<i2").tobytes()
    assert engine.status(busy) == "running"


def test_each_of_many_that_come_and_go_has_its_own_audio(engine, busy):
    ids = {level: submit(engine, 1 + level % 5, level) for level in range(2, 30)}
    for level, job_id in ids.items():
        assert engine.ended(job_id)["status"] == "done"
        assert engine.audio(job_id) == np.full(160 * (1 + level % 5), level, "<i2").tobytes()
    assert engine.status(busy) == "running"


def test_a_job_that_joins_and_cannot_be_served_leaves_the_others(engine, busy):
    bad = submit(engine, 3, payload={"voice": "nobody"})
    good = submit(engine, 3)
    assert (engine.ended(bad)["error"]["code"], engine.ended(good)["status"]) == ("unknown_voice", "done")
    assert engine.status(busy) == "running"


def test_a_job_that_joined_can_be_cancelled_alone_and_leaves_room(engine, busy):
    joined = [submit(engine, 2_000) for _ in range(3)]
    eventually(lambda: {engine.status(each) for each in joined} == {"running"}, "the batch is full")
    waiting = submit(engine, 2)
    engine.client.cancel(joined[1])
    assert engine.ended(waiting)["status"] == "done"
    assert engine.status(busy) == engine.status(joined[0]) == "running"
    for job_id in joined:
        engine.client.cancel(job_id)


def test_a_job_of_another_model_that_is_urgent_is_not_kept_waiting_by_those_that_would_join(engine, busy):
    urgent = engine.submit({"text": "now", "chunks": 1}, priority=0)
    joins = submit(engine, 1)
    engine.client.cancel(busy)
    first, second = engine.ended(urgent), engine.ended(joins)
    assert first["started_at"] < second["started_at"]


def test_when_the_model_breaks_each_of_the_batch_is_tried_alone(engine):
    broken = submit(engine, 5, payload={"raise_after": 2})
    innocent = submit(engine, 5)
    assert engine.ended(broken)["error"]["code"] == "backend_failed"
    job = engine.ended(innocent)
    assert (job["status"], job["attempt"] <= 2) == ("done", True)


def test_after_its_runner_was_killed_everybody_in_the_batch_is_served(engine):
    ids = [submit(engine, 30, level) for level in range(1, 4)]
    eventually(lambda: engine.status(ids[-1]) == "running", "all of them run")
    for runner in engine.runners():
        runner.kill()
    for level, job_id in enumerate(ids, 1):
        assert engine.ended(job_id)["status"] == "done"
        assert engine.audio(job_id) == np.full(30 * 160, level, "<i2").tobytes()


def test_words_come_with_the_chunks_that_they_are_in(engine):
    job_id = submit(engine, 4)
    events = list(stream(engine, [JOINABLE | {"payload": {"text": "a", "chunks": 4}}]))
    words = [word["end"] for event in events if event["event"] == "audio" for word in event["words"]]
    assert words == pytest.approx([0.01, 0.02, 0.03, 0.04])
    assert engine.ended(job_id)["status"] == "done"


def stream(engine, jobs, **fields):
    """The lines of POST /jobs/stream, as anybody may read them."""
    pool = UnixPool(engine.data_dir / "engine.sock", 30)
    reply = pool.request("POST", "/jobs/stream", json={"jobs": jobs, **fields})
    pool.close()
    assert reply.status == 200, reply.data
    return [json.loads(line) for line in reply.data.splitlines()]
