"""The limit on what waits at /v1/tts, and when to come back."""

from __future__ import annotations

from threading import Event, Semaphore, Thread
from typing import Any

import pytest

from servers.errors import QueueFull
from servers.settings import settings
from servers.speech import ModelSpec
from servers.tts.app import create_app
from servers.tts.backlog import TOLD_S, UNKNOWN_S, Backlog, expected_s, places_of
from tests.jobs.stand_in_engine import StandInEngine, speech
from tests.web.fixtures import Configure

MODEL, OTHER = ("espeak", "espeak-ng"), ("piper", "voices")
PATH = "/v1/tts"


def job(took_s: float, model: tuple[str, str] = MODEL, status: str = "done") -> dict[str, Any]:
    return {
        "model_type": model[0],
        "model": model[1],
        "status": status,
        "started_at": 100.0,
        "finished_at": 100.0 + took_s,
    }


def waiting(count: int, model: tuple[str, str] = MODEL) -> dict[str, Any]:
    return {"model_type": model[0], "model": model[1], "count": count}


def never() -> float:
    raise AssertionError("nobody is turned away")


def test_so_many_wait_beside_those_that_are_worked_on() -> None:
    backlog = Backlog(2)
    for _ in range(5):
        backlog.enter(MODEL, 3, never)
    with pytest.raises(QueueFull, match="2 requests wait for espeak/espeak-ng; at most 2 may") as full:
        backlog.enter(MODEL, 3, lambda: 7.0)
    assert full.value.retry_after_s == 7.0


def test_the_engine_is_asked_once_in_a_while_however_many_are_turned_away() -> None:
    now_s, asked = [0.0], iter([7.0, 3.0])
    backlog = Backlog(1, clock=lambda: now_s[0])
    for _ in range(2):
        backlog.enter(MODEL, 1, never)

    def turned_away() -> float | None:
        with pytest.raises(QueueFull) as full:
            backlog.enter(MODEL, 1, lambda: next(asked))
        return full.value.retry_after_s

    assert [turned_away() for _ in range(3)] == [7.0] * 3
    now_s[0] += TOLD_S + 0.1
    assert turned_away() == 3.0


def test_each_model_has_its_own() -> None:
    backlog = Backlog(1)
    backlog.enter(MODEL, 1, never)
    backlog.enter(MODEL, 1, never)
    backlog.enter(OTHER, 1, never)


def test_who_leaves_makes_room_once() -> None:
    backlog = Backlog(1)
    first, _ = backlog.enter(MODEL, 1, never), backlog.enter(MODEL, 1, never)
    first.leave()
    first.leave()
    backlog.enter(MODEL, 1, never)
    with pytest.raises(QueueFull):
        backlog.enter(MODEL, 1, lambda: 1.0)


def test_without_a_limit_all_may_wait() -> None:
    backlog = Backlog(None)
    for _ in range(1_000):
        backlog.enter(MODEL, 1, never)


def test_the_wait_is_the_queue_times_what_the_models_last_jobs_took() -> None:
    queue = {
        "waiting": [waiting(9), waiting(500, OTHER)],
        "recent": [job(1.0), job(3.0), job(90.0, OTHER), job(90.0, status="failed")],
    }
    assert expected_s(queue, MODEL, 1) == 9 * 2.0
    assert expected_s(queue, MODEL, 3) == 3 * 2.0


def test_a_model_without_a_job_yet_is_taken_for_quick() -> None:
    assert expected_s({"waiting": [waiting(4)], "recent": []}, MODEL, 1) == 4 * UNKNOWN_S


def test_a_model_works_on_as_many_as_it_takes_or_the_settings_let_it(configure: Configure) -> None:
    qwen = ModelSpec(backend="qwen3_tts", name="q", options={"checkpoint": "c", "max_batch": 6})
    espeak = ModelSpec(backend="espeak", name="e")
    assert [places_of(model, settings()) for model in (qwen, espeak)] == [6, 1]
    configure(TTS_MAX_CONCURRENCY_PER_MODEL="4")
    assert [places_of(model, settings()) for model in (qwen, espeak)] == [4, 1]


class BusyEngine(StandInEngine):
    """Speaks nothing until it is told to, and has a queue."""

    def __init__(self) -> None:
        super().__init__(self.late)
        self.begun, self.go_on = Semaphore(0), Event()

    def late(self, payload: dict[str, Any]) -> Any:
        self.begun.release()
        assert self.go_on.wait(30)
        return speech(payload)

    def queue(self) -> dict[str, Any]:
        return {"waiting": [waiting(3)], "recent": [job(2.5)]}


def test_one_too_many_is_told_when_to_come_back(configure: Configure) -> None:
    configure(TTS_MAX_QUEUE_SIZE="1")
    engine = BusyEngine()
    app = create_app(engine)
    busy = [Thread(target=lambda: app.test_client().post(PATH, json={"text": "a"})) for _ in range(2)]
    try:
        for thread in busy:
            thread.start()
        assert all(engine.begun.acquire(timeout=30) for _ in busy)
        turned_away = app.test_client().post(PATH, json={"text": "a"})
    finally:
        engine.go_on.set()
        for thread in busy:
            thread.join()
    assert (turned_away.status_code, turned_away.json["error"]["code"]) == (429, "queue_full")
    assert turned_away.headers["Retry-After"] == "8"  # 3 × 2.5 s
    assert app.test_client().post(PATH, json={"text": "a"}).status_code == 200
