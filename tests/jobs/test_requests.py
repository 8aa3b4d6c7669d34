from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from servers.catalog import EXAMPLE, Catalog
from servers.errors import (
    BackendFailed,
    Conflict,
    DeadlineExceeded,
    EngineUnavailable,
    InvalidRequest,
    JobCancelled,
    SkylarkError,
    UnknownModel,
    UnknownVoice,
)
from servers.jobs.client import AnswerLost
from servers.jobs.job_stream import AWAY_S, RETRY_S
from servers.jobs.request import LONGEST_KEY, Item, Request, Requester
from servers.jobs.requests import DRAIN_S, QueueOptions, Requests
from servers.settings import Limits, Tts
from tests.jobs.stand_in_engine import NO_VOICES, StandInEngine

ANYBODY = Requester()
KEYED = Requester(idempotency_key="mine")


class Clock:
    """Time that passes when somebody pauses, or waits for the engine."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


class Engine(StandInEngine):
    """Each time that it says that there is nothing new takes a second. Its jobs make no audio."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(lambda _payload: {"status": "ok"})
        self._clock = clock

    def pass_time(self, seconds: float) -> None:
        self._clock.pause(seconds)


@dataclass
class Items:
    """Three items, and which of them were released."""

    released: list[str] = field(default_factory=list)

    def __call__(self) -> list[Item]:
        return [self._item(text) for text in ("a", "b", "c")]

    def _item(self, text: str) -> Item:
        return Item({"text": text}, {"text": f"{text}.text"}, lambda: self.released.append(text))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(clock: Clock) -> Engine:
    return Engine(clock)


@pytest.fixture
def items() -> Items:
    return Items()


@pytest.fixture
def requests(engine: Engine, clock: Clock) -> Requests:
    limits = Limits(request_timeout_s=60)
    return Requests(
        engine,
        Catalog.load(EXAMPLE),
        Tts(model_type="espeak"),
        limits,
        NO_VOICES,
        clock=clock,
        pause=clock.pause,
    )


def run(requests: Requests, items: Items, requester: Requester = ANYBODY) -> list[dict[str, Any]]:
    with requests.submit(QueueOptions(), items(), requester) as request:
        return replies(request)


def replies(request: Request) -> list[dict[str, Any]]:
    return [
        {"error": each.to_dict()} if isinstance(each, SkylarkError) else {"id": each.job_id}
        for each in request.outcomes()
    ]


def never_ends_from(text: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda payload: {"status": "ok"} if payload["text"] < text else None


def test_replies_stand_in_the_order_of_the_jobs(requests: Requests, engine: Engine, items: Items) -> None:
    assert run(requests, items) == [{"id": job_id} for job_id in engine.jobs]
    assert engine.cancelled == []


def test_after_the_deadline_the_jobs_that_are_left_are_cancelled_the_last_first(
    requests: Requests, engine: Engine, clock: Clock, items: Items
) -> None:
    engine.outcome = never_ends_from("b")
    with pytest.raises(DeadlineExceeded):
        run(requests, items)
    assert clock.now == pytest.approx(1060.0)
    assert engine.cancelled == list(engine.jobs)[:0:-1]


def test_when_the_client_goes_away_its_jobs_are_cancelled(
    engine: Engine, requests: Requests, items: Items
) -> None:
    engine.outcome = never_ends_from("a")
    with pytest.raises(JobCancelled):
        run(requests, items, Requester(connected=lambda: False))
    assert engine.cancelled == list(engine.jobs)[::-1]


def test_a_request_that_nobody_reads_is_cancelled(requests: Requests, engine: Engine, items: Items) -> None:
    engine.outcome = never_ends_from("a")
    with requests.submit(QueueOptions(), items(), ANYBODY) as request:
        assert request.job_ids == list(engine.jobs)
    assert engine.cancelled == list(engine.jobs)[::-1]


# an engine that is away


def losing(engine: Engine, monkeypatch: pytest.MonkeyPatch, *errors: EngineUnavailable) -> list[list[str]]:
    """Submits raise those errors, one after the other, and then are accepted; the keys of each are listed."""
    keys: list[list[str]] = []
    left, accept = list(errors), engine.stream

    def stream(jobs: Any, **options: Any) -> Any:
        keys.append([job["idempotency_key"] for job in jobs])
        if left:
            raise left.pop(0)
        yield from accept(jobs, **options)

    monkeypatch.setattr(engine, "stream", stream)
    return keys


def test_a_submit_whose_answer_was_lost_is_repeated_with_the_same_keys(
    requests: Requests, engine: Engine, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = losing(engine, monkeypatch, AnswerLost("broken off"), EngineUnavailable("not there yet"))
    assert run(requests, items) == [{"id": job_id} for job_id in engine.jobs]
    assert keys == [keys[0]] * 3
    assert len(set(keys[0])) == 3


def test_a_submit_whose_answers_are_lost_for_too_long_is_given_up(
    requests: Requests, engine: Engine, clock: Clock, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    losing(engine, monkeypatch, *[AnswerLost("broken off")] * 1000)
    with pytest.raises(AnswerLost):
        run(requests, items)
    assert clock.now == pytest.approx(1000.0 + AWAY_S, abs=RETRY_S)


def test_an_engine_that_is_not_there_is_said_at_once(
    requests: Requests, engine: Engine, clock: Clock, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = losing(engine, monkeypatch, EngineUnavailable("not there"))
    with pytest.raises(EngineUnavailable):
        run(requests, items)
    assert len(keys) == 1
    assert clock.now == 1000.0


def test_a_restart_of_the_engine_is_outlived(
    requests: Requests, engine: Engine, clock: Clock, items: Items
) -> None:
    with requests.submit(QueueOptions(), items(), ANYBODY) as request:
        engine.away_calls = 20
        assert len(replies(request)) == 3
    assert clock.now == pytest.approx(1000 + 20 * RETRY_S)
    assert engine.cancelled == []


def test_an_engine_that_stays_away_is_unavailable(
    requests: Requests, engine: Engine, clock: Clock, items: Items
) -> None:
    with requests.submit(QueueOptions(), items(), ANYBODY) as request:
        engine.away_calls = 1_000_000
        with pytest.raises(EngineUnavailable):
            replies(request)
    assert clock.now == pytest.approx(1000 + AWAY_S, abs=RETRY_S)


def test_the_deadline_holds_while_the_engine_is_away(
    requests: Requests, engine: Engine, clock: Clock, items: Items
) -> None:
    with requests.submit(QueueOptions(), items(), ANYBODY) as request:
        clock.now = 1050.0
        engine.away_calls = 1_000_000
        with pytest.raises(DeadlineExceeded):
            replies(request)
    assert clock.now == pytest.approx(1060, abs=RETRY_S)


def test_a_submit_that_was_turned_away_is_not_repeated(
    requests: Requests, engine: Engine, clock: Clock, items: Items
) -> None:
    engine.away_calls = 1
    with pytest.raises(EngineUnavailable):
        run(requests, items)
    assert clock.now == 1000


def test_a_stopping_door_cancels_what_it_cannot_wait_for(
    requests: Requests, engine: Engine, clock: Clock, items: Items
) -> None:
    engine.outcome = never_ends_from("a")
    requests.stop()
    with pytest.raises(EngineUnavailable, match="stopping"):
        run(requests, items)
    assert clock.now == pytest.approx(1000 + DRAIN_S)
    assert len(engine.cancelled) == 3


# outcomes


def test_a_defect_while_collecting_leaves_no_job_behind(
    requests: Requests, engine: Engine, items: Items
) -> None:
    with pytest.raises(KeyError), requests.submit(QueueOptions(), items(), ANYBODY) as request:
        next(request.outcomes()).result["nothing"]  # type: ignore[union-attr]
    assert engine.cancelled == list(engine.jobs)[:0:-1]


def test_a_job_that_somebody_else_cancelled_is_an_error_in_its_place(
    requests: Requests, engine: Engine, items: Items
) -> None:
    with requests.submit(QueueOptions(), items(), ANYBODY) as request:
        engine.jobs[request.job_ids[1]] |= {"status": "cancelled"}
        came = replies(request)
    assert came[1]["error"]["code"] == "job_cancelled"
    assert ["id" in reply for reply in came] == [True, False, True]


def test_a_failure_is_in_the_words_of_the_request(requests: Requests, engine: Engine, items: Items) -> None:
    engine.outcome = lambda payload: (
        InvalidRequest("no", param="payload.text") if payload["text"] == "a" else BackendFailed("no")
    )
    assert [reply["error"]["param"] for reply in run(requests, items)] == ["a.text", None, None]


@pytest.mark.parametrize(
    ("param", "named"),
    [
        ("jobs.2.payload.text", "c.text"),
        ("jobs.0.payload.voice", "voice"),
        ("jobs.1.priority", "priority"),
        ("jobs.1.payload.task", "model"),
        ("Idempotency-Key", "Idempotency-Key"),
        ("payload.text", "text"),
    ],
)
def test_a_refusal_names_the_field_of_the_request(
    requests: Requests, engine: Engine, items: Items, param: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = UnknownVoice("no", param=param)

    def refuse(_payload: Any) -> Any:
        raise refusal

    engine.outcome = refuse
    with pytest.raises(UnknownVoice) as caught:
        run(requests, items)
    assert caught.value.param == named


def test_a_model_that_cannot_do_the_task_is_the_field_at_fault(
    requests: Requests, engine: Engine, items: Items
) -> None:
    engine.outcome = lambda _payload: InvalidRequest("task 'align' is not one of …", param="task")
    assert [reply["error"]["param"] for reply in run(requests, items)] == ["model"] * 3


# the client's own key


def test_a_key_of_the_client_names_each_job(requests: Requests, engine: Engine, items: Items) -> None:
    first, again = run(requests, items, KEYED), run(requests, items, KEYED)
    assert [job["idempotency_key"] for job in engine.submitted] == ["mine/0", "mine/1", "mine/2"]
    assert first == again
    assert len(engine.jobs) == 3


def test_without_a_key_every_request_is_a_new_one(requests: Requests, engine: Engine, items: Items) -> None:
    assert run(requests, items) != run(requests, items)
    assert len(engine.jobs) == 6


def test_another_request_under_the_same_key_is_a_conflict(
    requests: Requests, engine: Engine, items: Items
) -> None:
    run(requests, items, KEYED)
    with pytest.raises(Conflict) as caught:
        requests.submit(QueueOptions(), items()[1:], KEYED)
    assert caught.value.param == "Idempotency-Key"


@pytest.mark.parametrize("key", ["", "x" * (LONGEST_KEY + 1)])
def test_a_key_that_cannot_be_one_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Requester(idempotency_key=key)
    assert caught.value.param == "Idempotency-Key"
    assert Requester(idempotency_key="x" * LONGEST_KEY).job_key(9_999_999)


def test_the_jobs_of_a_key_go_on_without_the_client_who_gets_them_when_he_asks_again(
    requests: Requests, engine: Engine, items: Items
) -> None:
    engine.outcome = never_ends_from("b")
    gone = Requester(idempotency_key="mine", connected=lambda: False)
    with pytest.raises(JobCancelled):
        run(requests, items, gone)
    assert engine.cancelled == []
    for job in engine.jobs.values():
        job |= {"status": "done", "finished_at": 1.0, "result": {"status": "ok"}}
    assert run(requests, items, KEYED) == [{"id": job_id} for job_id in engine.jobs]


def test_the_jobs_of_a_key_go_on_after_the_deadline_and_the_door(
    requests: Requests, engine: Engine, items: Items
) -> None:
    engine.outcome = never_ends_from("a")
    with pytest.raises(DeadlineExceeded):
        run(requests, items, KEYED)
    requests.stop()
    with pytest.raises(EngineUnavailable, match="stopping"):
        run(requests, items, KEYED)
    assert engine.cancelled == []


def test_a_request_with_a_key_can_be_cancelled_all_the_same(
    requests: Requests, engine: Engine, items: Items
) -> None:
    engine.outcome = never_ends_from("a")
    with requests.submit(QueueOptions(), items(), KEYED) as request:
        request.cancel()
    assert engine.cancelled == list(engine.jobs)[::-1]


# what payloads name


@pytest.mark.parametrize("last", ["a", "b", "d"])
def test_without_a_key_everything_is_released_at_the_end(
    requests: Requests, engine: Engine, items: Items, last: str
) -> None:
    engine.outcome = never_ends_from(last)
    with requests.submit(QueueOptions(), items(), ANYBODY):
        assert items.released == []
    assert items.released == ["a", "b", "c"]


def test_with_a_key_only_what_no_job_needs_is_released(
    requests: Requests, engine: Engine, items: Items
) -> None:
    engine.outcome = never_ends_from("b")
    with pytest.raises(DeadlineExceeded):
        run(requests, items, KEYED)
    assert items.released == ["a"]


@pytest.mark.parametrize(("requester", "released"), [(ANYBODY, ["a", "b", "c"]), (KEYED, [])])
def test_a_refusal_releases_what_no_earlier_job_can_need(
    requests: Requests, engine: Engine, items: Items, requester: Requester, released: list[str]
) -> None:
    with pytest.raises(UnknownModel):
        requests.submit(QueueOptions(model="nothing"), items(), requester)
    engine.away_calls = 1
    with pytest.raises(EngineUnavailable):
        requests.submit(QueueOptions(), items(), requester)
    assert items.released == released * 2


# models


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (None, ("espeak", "one")),
        ("one", ("espeak", "one")),
        ("piper/one", ("piper", "one")),
        ("two", ("piper", "two")),
        ("org/three", ("piper", "org/three")),
        ("piper/org/three", ("piper", "org/three")),
    ],
)
def test_a_model_is_named_alone_or_with_its_backend(
    tmp_path: Path, engine: Engine, name: str | None, key: tuple[str, str]
) -> None:
    file = tmp_path / "models.yaml"
    file.write_text(
        "backends:\n"
        "  piper: {default: two, models: {one: {}, two: {}, org/three: {}}}\n"
        "  espeak: {default: one, models: {one: {}}}\n"
    )
    requests = Requests(engine, Catalog.load(file), Tts(model_type="espeak"), Limits(), NO_VOICES)
    assert requests.model(name).key == key
    with pytest.raises(UnknownModel, match="espeak/one, piper/one, piper/two"):
        requests.model("four")
