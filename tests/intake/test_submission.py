"""Jobs that were sent to the job API while the machine was off."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from servers.errors import EngineUnavailable, QueueFull, RunnerCrashed, SkylarkError, UnknownModel
from servers.intake.outcomes import Back, Done, Failed
from servers.intake.submission import Submission, is_for_engine
from servers.jobs.client import Audio, JobsClient
from tests.jobs.stand_in_engine import RATE_HZ, ended, speech

PCM = bytes(range(200)) * 2
HELLO = {"model_type": "espeak", "payload": {"text": "Hello."}}


class StandInEngine(JobsClient):
    """A job with the same key is the same one; each ends as `outcome` says."""

    def __init__(self) -> None:
        self.submitted: list[tuple[list[dict[str, Any]], str | None]] = []
        self.by_key: dict[str, str] = {}
        self.outcome: Any = speech({})
        self.refusal: SkylarkError | None = None
        self.lost: SkylarkError | None = None
        self.state = "ok"

    def health(self, *, timeout_s: float = 2.0) -> dict[str, Any]:
        return {"status": self.state}

    def submit(self, jobs, *, owner=None, remote=False) -> list[str]:
        assert remote, "no client on a network may name any file of this machine"
        if self.refusal:
            raise self.refusal
        self.submitted.append((list(jobs), owner))
        return [self.by_key.setdefault(job["idempotency_key"], f"job-{len(self.by_key)}") for job in jobs]

    def wait(self, job_id, **_: Any) -> dict[str, Any]:
        if self.lost:
            raise self.lost
        return ended(job_id, self.outcome)

    @contextmanager
    def audio(self, job_id, *, start=0) -> Iterator[Audio]:
        yield Audio(RATE_HZ, iter([PCM[:100], PCM[100:]]))


@pytest.fixture
def engine() -> StandInEngine:
    return StandInEngine()


@pytest.fixture
def done(engine, accepted):
    """Accepts, takes, submits: the work and its outcome."""

    def done(body: object = HELLO, path: str = "/jobs", **values: Any) -> tuple[Any, Any]:
        work = accepted.taken(accepted.accept(path=path, body=body, **values))
        return work, Submission(engine, accepted.objects).do(work)

    return done


def frames(data: bytes) -> tuple[int, bytes]:
    with wave.open(io.BytesIO(data)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth()) == (1, 2)
        return wav.getframerate(), wav.readframes(wav.getnframes())


def test_a_job_is_submitted_for_its_client_and_its_end_is_the_result_with_its_audio(engine, accepted, done):
    work, outcome = done()
    ((submitted, owner),) = engine.submitted
    assert owner == "alice"
    assert submitted == [{**HELLO, "expires": False, "idempotency_key": f"accepted-{work.id}"}]
    told = json.loads(accepted.result(work.id))
    assert (told["id"], told["status"]) == ("job-0", "done")
    assert outcome == Done(200, "application/json", len(accepted.result(work.id)), {"0": 44 + len(PCM)})
    assert frames(accepted.result(f"{work.id}/0.wav")) == (RATE_HZ, PCM)
    assert accepted.objects.kept(work) == outcome


def test_jobs_of_a_batch_have_each_their_name_and_their_audio(engine, accepted, done):
    work, outcome = done({"jobs": [HELLO, HELLO]}, "/jobs/batch", headers={"idempotency-key": "book"})
    assert [job["idempotency_key"] for job in engine.submitted[0][0]] == ["book/0", "book/1"]
    assert set(outcome.audio) == {"0", "1"}
    assert [job["id"] for job in json.loads(accepted.result(work.id))["jobs"]] == ["job-0", "job-1"]


def test_what_a_client_says_of_its_job_goes_before(engine, done):
    done(HELLO | {"idempotency_key": "mine", "expires": True})
    assert engine.submitted[0][0][0] == HELLO | {"idempotency_key": "mine", "expires": True}


def test_the_key_in_the_header_goes_before_a_jobs_own_as_at_the_machine_itself(engine, done):
    done(HELLO | {"idempotency_key": "mine"}, headers={"idempotency-key": "header"})
    assert engine.submitted[0][0][0]["idempotency_key"] == "header"


def test_in_a_batch_a_jobs_own_key_goes_before_the_headers(engine, done):
    batch = {"jobs": [HELLO | {"idempotency_key": "mine"}, HELLO]}
    done(batch, "/jobs/batch", headers={"idempotency-key": "book"})
    assert [job["idempotency_key"] for job in engine.submitted[0][0]] == ["mine", "book/1"]


@pytest.mark.parametrize("path", ["/jobs", "/jobs/batch"])
def test_a_key_that_is_null_is_none_and_a_job_taken_up_again_is_the_same(engine, accepted, done, path):
    job = HELLO | {"idempotency_key": None}
    engine.lost = EngineUnavailable("the engine is not there", retry_after_s=2)
    work, back = done({"jobs": [job]} if path == "/jobs/batch" else job, path)
    accepted.leases.give_back(work, back, 0)
    engine.lost = None
    Submission(engine, accepted.objects).do(accepted.taken(work.id))
    assert len(engine.submitted) == 2
    assert len(engine.by_key) == 1


def test_a_job_that_makes_no_audio_has_none(engine, done):
    engine.outcome = {"status": "ok", "text": "so it is"}
    assert done()[1].audio == {}


def test_a_job_that_failed_is_work_that_failed(engine, accepted, done):
    engine.outcome = RunnerCrashed("it died at every attempt")
    _, outcome = done()
    assert outcome == Failed(500, {"code": "runner_crashed", "message": "it died at every attempt"})
    assert accepted.keys("results/") == []


def test_the_end_of_a_job_that_failed_has_bounded_words(engine, done):
    engine.outcome = RunnerCrashed("x" * 5000, param="y" * 400_000)
    assert {name: len(value) for name, value in done()[1].error.items()} == {
        "code": len("runner_crashed"),
        "message": 1000,
        "param": 200,
    }


def test_in_a_batch_each_job_tells_its_own_failure(engine, accepted, done):
    engine.outcome = RunnerCrashed("it died at every attempt")
    work, outcome = done({"jobs": [HELLO, HELLO]}, "/jobs/batch")
    assert isinstance(outcome, Done)
    told = json.loads(accepted.result(work.id))["jobs"]
    assert [job["error"]["code"] for job in told] == ["runner_crashed"] * 2


def test_what_the_engine_refuses_for_good_ends_with_its_words(engine, done):
    engine.refusal = UnknownModel("there is no model 'x'", param="model")
    failed = done()[1]
    assert (failed.status, failed.error["code"], failed.error["param"]) == (422, "unknown_model", "model")


def test_an_engine_that_is_full_or_gone_is_waited_for(engine, done):
    engine.refusal = QueueFull("too many", retry_after_s=40)
    assert done()[1] == Back(40, "the queue is full")
    engine.refusal, engine.lost = None, EngineUnavailable("the engine is not there", retry_after_s=2)
    assert done(failures=9)[1] == Back(2, "the engine is not there")


def test_after_an_engine_was_lost_the_same_jobs_are_asked_for(engine, accepted, done):
    engine.lost = EngineUnavailable("the engine is not there", retry_after_s=2)
    work, back = done()
    accepted.leases.give_back(work, back, 0)
    engine.lost = None
    assert isinstance(Submission(engine, accepted.objects).do(accepted.taken(work.id)), Done)
    assert list(engine.by_key) == [f"accepted-{work.id}"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/jobs", b"{"),
        ("/jobs", []),
        ("/jobs/batch", HELLO),
        ("/jobs/batch", {"jobs": []}),
        ("/jobs/batch", {"jobs": {"a": 1}}),
        ("/jobs/batch", {"jobs": [1]}),
    ],
)
def test_a_body_without_jobs_is_refused_as_the_job_api_would(engine, done, path, body):
    failed = done(body, path)[1]
    assert (failed.status, failed.error["code"]) == (400, "malformed_body")
    assert engine.submitted == []


def test_it_is_ready_when_the_engine_is(engine, accepted):
    submission = Submission(engine, accepted.objects)
    work = accepted.work(accepted.accept(path="/jobs"))
    assert submission.is_ready(work)
    engine.state = "degraded"
    assert not submission.is_ready(work)


def test_only_jobs_are_the_engines(accepted):
    paths = ["/jobs", "/jobs/batch", "/jobs?x=1", "/tts/jobs", "/generate_batch", "/jobs/stream"]
    found = [is_for_engine(accepted.work(accepted.accept(path=path))) for path in paths]
    assert found == [True, True, True, False, False, False]
