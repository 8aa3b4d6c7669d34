from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from servers.catalog import EXAMPLE, Catalog
from servers.errors import (
    BackendFailed,
    DeadlineExceeded,
    EngineUnavailable,
    InvalidRequest,
    JobCancelled,
    UnknownModel,
)
from servers.jobs.client import AnswerLost
from servers.settings import Limits, Tts
from servers.web.errands import AWAY_S, DRAIN_S, RETRY_S, Errands, Order
from tests.web.stand_in_engine import StandInEngine

JOBS = [{"text": "a"}, {"text": "b"}, {"text": "c"}]
NAMES = [{"text": "a.text"}, {"text": "b.text"}, {"text": "c.text"}]


class Clock:
    """Time that passes when somebody pauses, or looks at the engine."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


class Engine(StandInEngine):
    """Each look at a job takes a second."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder)
        self._clock = clock

    def get(self, job_id: str, *, wait_s: float = 0.0) -> dict[str, Any]:
        job = super().get(job_id, wait_s=wait_s)
        if job["finished_at"] is None:
            self._clock.now += max(wait_s, 0.001)
        return job


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(tmp_path: Path, clock: Clock) -> Engine:
    return Engine(tmp_path, clock)


@pytest.fixture
def errands(engine: Engine, clock: Clock) -> Iterator[Errands]:
    catalog = Catalog.load(EXAMPLE)
    limits = Limits(request_timeout_s=60)
    with Flask("toys").test_request_context():
        yield Errands(engine, catalog, Tts(), limits, clock=clock, pause=clock.pause)


def run(errands: Errands) -> list[dict[str, Any]]:
    return errands.submit(Order(), JOBS, NAMES).replies(lambda job: {"id": job["id"]})


def never_ends_from(text: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda payload: {"status": "ok"} if payload["text"] < text else None


def test_replies_stand_in_the_order_of_the_jobs(errands: Errands, engine: Engine) -> None:
    assert run(errands) == [{"id": job_id} for job_id in engine.jobs]
    assert engine.cancelled == []


def test_after_the_deadline_the_jobs_that_are_left_are_cancelled_the_last_first(
    errands: Errands, engine: Engine, clock: Clock
) -> None:
    engine.outcome = never_ends_from("b")
    with pytest.raises(DeadlineExceeded):
        run(errands)
    assert clock.now == pytest.approx(1060.0)
    assert engine.cancelled == list(engine.jobs)[:0:-1]


def test_when_the_client_goes_away_its_jobs_are_cancelled(engine: Engine, errands: Errands) -> None:
    engine.outcome = never_ends_from("b")
    server, client = socket.socketpair()
    client.close()
    with (
        server,
        Flask("toys").test_request_context(environ_overrides={"gunicorn.socket": server}),
        pytest.raises(JobCancelled),
    ):
        run(errands)
    assert engine.cancelled == list(engine.jobs)[::-1]


def losing(engine: Engine, monkeypatch: pytest.MonkeyPatch, *errors: EngineUnavailable) -> list[list[str]]:
    """Submits raise those errors, one after the other, and then are accepted; the keys of each are listed."""
    keys: list[list[str]] = []
    left, accept = list(errors), engine.submit

    def submit(jobs: Any, **options: Any) -> list[str]:
        keys.append([job["idempotency_key"] for job in jobs])
        if left:
            raise left.pop(0)
        return accept(jobs, **options)

    monkeypatch.setattr(engine, "submit", submit)
    return keys


def test_a_submit_whose_answer_was_lost_is_repeated_with_the_same_keys(
    errands: Errands, engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = losing(engine, monkeypatch, AnswerLost("broken off"), EngineUnavailable("not there yet"))
    assert run(errands) == [{"id": job_id} for job_id in engine.jobs]
    assert keys == [keys[0]] * 3
    assert len(set(keys[0])) == len(JOBS)


def test_a_submit_whose_answers_are_lost_for_too_long_is_given_up(
    errands: Errands, engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(engine, monkeypatch, *[AnswerLost("broken off")] * 1000)
    with pytest.raises(AnswerLost):
        run(errands)
    assert clock.now == pytest.approx(1000.0 + AWAY_S, abs=RETRY_S)


def test_an_engine_that_is_not_there_is_said_at_once(
    errands: Errands, engine: Engine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = losing(engine, monkeypatch, EngineUnavailable("not there"))
    with pytest.raises(EngineUnavailable):
        run(errands)
    assert len(keys) == 1
    assert clock.now == 1000.0


def test_a_restart_of_the_engine_is_outlived(errands: Errands, engine: Engine, clock: Clock) -> None:
    errand = errands.submit(Order(), JOBS, NAMES)
    engine.away_calls = 20
    assert len(errand.replies(lambda job: {"id": job["id"]})) == 3
    assert clock.now == pytest.approx(1000 + 20 * RETRY_S)
    assert engine.cancelled == []


def test_an_engine_that_stays_away_is_unavailable(errands: Errands, engine: Engine, clock: Clock) -> None:
    errand = errands.submit(Order(), JOBS, NAMES)
    engine.away_calls = 1_000_000
    with pytest.raises(EngineUnavailable):
        errand.replies(lambda job: {"id": job["id"]})
    assert clock.now == pytest.approx(1000 + AWAY_S, abs=RETRY_S)


def test_a_submit_is_never_repeated(errands: Errands, engine: Engine, clock: Clock) -> None:
    """Its first try may have been accepted."""
    engine.away_calls = 1
    with pytest.raises(EngineUnavailable):
        run(errands)
    assert clock.now == 1000


def test_a_stopping_door_cancels_what_it_cannot_wait_for(
    errands: Errands, engine: Engine, clock: Clock
) -> None:
    engine.outcome = never_ends_from("a")
    errands.stop()
    with pytest.raises(EngineUnavailable, match="stopping"):
        run(errands)
    assert clock.now == pytest.approx(1000 + DRAIN_S)
    assert len(engine.cancelled) == 3


def test_a_defect_while_collecting_leaves_no_job_behind(errands: Errands, engine: Engine) -> None:
    errand = errands.submit(Order(), JOBS, NAMES)
    with pytest.raises(KeyError):
        errand.replies(lambda job: {"id": job["nothing"]})
    assert len(engine.cancelled) == 3


def test_a_job_that_somebody_else_cancelled_is_an_error_in_its_place(
    errands: Errands, engine: Engine
) -> None:
    errand = errands.submit(Order(), JOBS, NAMES)
    engine.jobs[errand.job_ids[1]] |= {"status": "cancelled"}
    replies = errand.replies(lambda job: {"id": job["id"]})
    assert replies[1]["error"]["code"] == "job_cancelled"
    assert ["id" in reply for reply in replies] == [True, False, True]


def test_all_failed_is_the_first_failure_in_the_words_of_the_request(
    errands: Errands, engine: Engine
) -> None:
    engine.outcome = lambda payload: (
        InvalidRequest("no", param="payload.text") if payload["text"] == "a" else BackendFailed("no")
    )
    with pytest.raises(InvalidRequest) as caught:
        run(errands)
    assert caught.value.param == "a.text"


def test_a_model_that_cannot_do_the_task_is_the_field_at_fault(errands: Errands, engine: Engine) -> None:
    engine.outcome = lambda _payload: InvalidRequest("task 'align' is not one of …", param="task")
    with pytest.raises(InvalidRequest) as caught:
        run(errands)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (None, ("a", "one")),
        ("one", ("a", "one")),
        ("b/one", ("b", "one")),
        ("two", ("b", "two")),
        ("org/three", ("b", "org/three")),
        ("b/org/three", ("b", "org/three")),
    ],
)
def test_a_model_is_named_alone_or_with_its_backend(
    tmp_path: Path, engine: Engine, name: str | None, key: tuple[str, str]
) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(
        "backends:\n"
        "  b: {default: two, models: {one: {}, two: {}, org/three: {}}}\n"
        "  a: {default: one, models: {one: {}}}\n"
    )
    errands = Errands(engine, Catalog.load(file), Tts(model_type="a"), Limits())
    assert errands.model(name).key == key
    with pytest.raises(UnknownModel, match="a/one, b/one, b/two"):
        errands.model("four")
