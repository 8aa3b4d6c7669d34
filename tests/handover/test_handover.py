"""A queue is copied out of one machine and taken in by the engine of another, with moto between them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from servers.cloud.connection import CloudFailed
from servers.cloud.table import WAITING
from servers.errors import InvalidRequest, UnknownModel
from servers.handover.bucket import Bucket
from servers.handover.copying_out import EVERY, CopyingOut, unfinished
from servers.handover.taking_in import TakingIn
from servers.jobs.job import Job
from servers.jobs.saves import Saves
from servers.jobs.store import Store
from tests.acceptance.processes import Engine, running_engine

NOW = time.time()


def a_training(folder: Path) -> Job:
    payload = {"task": "train", "steps": 9, "log": str(folder / "steps")}
    return a_job(model_type="counting", model="counter", preemptible=True, payload=payload)


def a_job(**fields) -> Job:
    made = {"payload": {"task": "synthesize", "text": "so"}, "created_at": NOW, "last_heartbeat": NOW}
    return Job(**{"id": str(uuid.uuid4()), "model_type": "fake", "model": "one"} | made | fields)


class Machine:
    """One that is going: its queue, whose engine has ended, and its data_dir."""

    def __init__(self, folder: Path, table, bucket: Bucket) -> None:
        self.folder, self.table, self.bucket = folder, table, bucket
        self.queue = Store(f"sqlite:///{folder}/jobs.sqlite3")
        self.saves = Saves(folder)

    def accept(self, *jobs: Job) -> None:
        self.queue.submit(jobs, max_queued=100)

    def copy_out(self, copies: int = EVERY) -> tuple[int, int]:
        """So many at most, for then there is no time left."""
        left = iter(range(copies))
        copying = CopyingOut(
            self.queue, self.saves, self.table, self.bucket, lambda: next(left, None) is not None
        )
        copying.copy_queued()
        copying.copy_rest()
        copying.let_go()
        return len(copying.copied), len(copying.not_copied)

    def waiting(self) -> list[dict]:
        return list(self.table.items(WAITING))


@pytest.fixture
def machine(tmp_path, table, bucket) -> Iterator[Machine]:
    machine = Machine(tmp_path, table, bucket)
    yield machine
    machine.queue.close()


@pytest.fixture(scope="module")
def next_engine() -> Iterator[Engine]:
    with running_engine() as engine:
        yield engine


def taking_in(engine: Engine, bucket: Bucket) -> TakingIn:
    return TakingIn(engine.data_dir, engine.client, bucket)


def test_an_item_says_whose_it_is_how_urgent_and_since_when(machine):
    job = a_job(owner="alice", priority=3, created_at=NOW - 100)
    machine.accept(job, a_job())
    assert machine.copy_out() == (2, 0)
    items = {item["id"]: item for item in machine.waiting()}
    of_alice = items[job.id]
    assert (of_alice["work"], of_alice["status"], of_alice["owner"]) == ("job", "waiting", "alice")
    assert (of_alice["priority"], of_alice["accepted_at"]) == (3, NOW - 100)
    assert of_alice["body_key"] == f"accepted/{job.id}"
    assert "owner" not in next(item for id, item in items.items() if id != job.id)


def test_what_has_ended_stays_behind_and_the_most_urgent_goes_first(machine):
    jobs = [a_job(priority=n) for n in (10, 0, 5)]
    ended = a_job()
    machine.accept(*jobs, ended)
    machine.queue.cancel_queued(ended.id, NOW)
    assert {job.priority for job in unfinished(machine.queue)} == {0, 5, 10}
    assert machine.copy_out(copies=1) == (1, 2)
    assert [item["priority"] for item in machine.waiting()] == [0]


def test_what_an_engine_that_was_killed_left_running_is_copied_too(machine):
    job = a_job()
    machine.accept(job)
    assert machine.queue.claim([job.id], NOW)
    assert machine.queue.hold()
    machine.queue.recover(NOW, 3)
    assert machine.copy_out() == (1, 0)


def test_a_queue_does_nothing_more_of_what_was_copied_out(machine):
    job = a_job(idempotency_key="chapter-1")
    machine.accept(job, a_job())
    machine.copy_out()
    assert list(unfinished(machine.queue)) == []
    machine.accept(replace(job, id=str(uuid.uuid4())))  # as another, for this queue knows of no other
    assert len(list(unfinished(machine.queue))) == 1


def test_what_ends_while_it_is_copied_is_done_by_nobody_else(machine):
    jobs = [a_job(), a_job()]
    machine.accept(*jobs)
    copying = CopyingOut(machine.queue, machine.saves, machine.table, machine.bucket)
    copying.copy_queued()
    machine.queue.cancel_queued(jobs[0].id, NOW)
    copying.let_go()
    assert [item["id"] for item in machine.waiting()] == [jobs[1].id]


def test_what_was_not_copied_for_want_of_time_is_told_and_stays(machine, caplog):
    machine.accept(*(a_job() for _ in range(5)))
    assert machine.copy_out(copies=3) == (3, 2)
    assert "2 jobs were not copied out" in [record.getMessage() for record in caplog.records]
    assert len(list(unfinished(machine.queue))) == 2


def test_the_next_engine_does_it_under_its_old_name(machine, next_engine):
    job = a_job(owner="alice", idempotency_key="chapter-1", application_id="book")
    machine.accept(job)
    machine.copy_out()
    take = taking_in(next_engine, machine.bucket).take
    assert take(f"accepted/{job.id}") == take(f"accepted/{job.id}") == job.id
    done = next_engine.ended(job.id)
    assert (done["status"], done["application_id"], done["created_at"]) == ("done", "book", NOW)
    assert next_engine.audio(job.id)


def test_the_same_request_sent_again_is_answered_with_the_job_that_came_over(machine, next_engine):
    job = a_job(idempotency_key=uuid.uuid4().hex)
    machine.accept(job)
    machine.copy_out()
    taking_in(next_engine, machine.bucket).take(f"accepted/{job.id}")
    assert (
        next_engine.submit({"task": "synthesize", "text": "so"}, idempotency_key=job.idempotency_key)
        == job.id
    )


def test_a_recording_goes_with_its_job(machine, next_engine, tmp_path):
    recording = tmp_path / "a recording.WAV"
    recording.write_bytes(b"RIFF" + bytes(100_000))
    job = a_job(payload={"task": "transcribe", "audio_path": str(recording)})
    machine.accept(job)
    assert machine.copy_out() == (1, 0)
    recording.unlink()
    taking_in(next_engine, machine.bucket).take(f"accepted/{job.id}")
    path = Path(next_engine.client.get(job.id)["payload"]["audio_path"])
    assert path.is_relative_to(next_engine.data_dir / "uploads")
    assert path.suffix == ".wav"


def test_a_job_whose_recording_is_gone_does_not_keep_the_others(machine, caplog):
    lost = a_job(payload={"task": "transcribe", "audio_path": "/nowhere/a.wav"}, priority=0)
    machine.accept(lost, a_job())
    assert machine.copy_out() == (1, 1)
    assert {record.__dict__["job"] for record in caplog.records if "job" in record.__dict__} == {lost.id}
    assert lost.id not in {item["id"] for item in machine.waiting()}


def test_what_a_training_has_saved_goes_with_it(machine, next_engine, tmp_path):
    job = a_training(tmp_path)
    saves = machine.saves.folder(job.id)
    (saves / "step").write_text("7")
    (saves / "layers").mkdir()
    (saves / "layers" / "weights").write_bytes(b"at step 7")
    machine.accept(job)
    assert machine.copy_out() == (1, 0)
    assert set(machine.bucket.get_json(f"accepted/{job.id}")["saves"]) == {"step", "layers/weights"}
    taking_in(next_engine, machine.bucket).take(f"accepted/{job.id}")
    assert next_engine.ended(job.id)["result"]["resumed"] is True


def test_what_is_said_to_be_saved_elsewhere_is_refused(machine, next_engine, tmp_path):
    job = a_training(tmp_path)
    machine.accept(job)
    machine.copy_out()
    key = f"accepted/{job.id}"
    record = machine.bucket.get_json(key)
    machine.bucket.put_json(key, record | {"saves": {"../../escaped": key}})
    with pytest.raises(InvalidRequest, match="escaped"):
        taking_in(next_engine, machine.bucket).take(key)
    assert not (next_engine.data_dir / "escaped").exists()


def test_a_record_of_a_newer_version_is_taken_in_without_what_is_not_known_here(machine, next_engine):
    job = a_job()
    machine.accept(job)
    machine.copy_out()
    key = f"accepted/{job.id}"
    record = machine.bucket.get_json(key)
    machine.bucket.put_json(key, record | {"job": record["job"] | {"mood": "calm"}, "version": 2})
    assert taking_in(next_engine, machine.bucket).take(key) == job.id
    assert next_engine.ended(job.id)["status"] == "done"


def test_an_engine_that_has_no_such_model_says_which_it_has(machine, next_engine):
    job = replace(a_job(), model="nine")
    machine.accept(job)
    machine.copy_out()
    with pytest.raises(UnknownModel, match="one"):
        taking_in(next_engine, machine.bucket).take(f"accepted/{job.id}")


def test_an_engine_whose_model_has_no_such_task_says_which_it_has(machine, next_engine):
    job = a_job(payload={"task": "train"})
    machine.accept(job)
    machine.copy_out()
    with pytest.raises(InvalidRequest, match="synthesize, transcribe"):
        taking_in(next_engine, machine.bucket).take(f"accepted/{job.id}")


def test_without_its_bucket_nothing_is_copied_and_each_is_said(machine, caplog):
    machine.accept(a_job(), a_job())
    machine.bucket._name = "skylark-none"
    assert machine.copy_out() == (0, 2)
    said = {record.__dict__["error"] for record in caplog.records if "error" in record.__dict__}
    assert said == {"NoSuchBucket"}
    assert machine.waiting() == []


def test_a_record_that_is_gone_is_said_by_its_code(machine, next_engine):
    with pytest.raises(CloudFailed, match="NoSuchKey"):
        taking_in(next_engine, machine.bucket).take("accepted/none")


def test_over_tcp_nobody_hands_jobs_over(next_engine):
    import requests

    with requests.Session() as http:
        http.trust_env = False
        reply = http.post(f"http://127.0.0.1:{next_engine.port}/jobs/handover", json={}, timeout=10)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
