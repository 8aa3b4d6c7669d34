"""What the engine says to those who ask, on their own threads."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest

from servers.catalog import Catalog
from servers.engine.desk import HEARTBEAT_EVERY_S, Caller, Desk, Submission
from servers.errors import InvalidRequest, StorageFailed
from servers.jobs.bulletin import Bulletin
from servers.jobs.job import Job, Status
from servers.jobs.store import Store
from servers.settings import Settings


class FullStore(Store):
    """Its disk is full: it can be read."""

    def heartbeat(self, job_id: str, now: float) -> None:
        raise StorageFailed("the disk is full")


@pytest.fixture
def store(tmp_path):
    store = FullStore(f"sqlite:///{tmp_path}/jobs.sqlite3")
    yield store
    store.close()


def test_a_poll_is_answered_although_the_clients_interest_cannot_be_written(store):
    job = Job(id=str(uuid.uuid4()), model_type="fake", model="one", created_at=0.0, last_heartbeat=0.0)
    store.submit([job], max_queued=1)
    excused = []
    loop = SimpleNamespace(
        bulletin=Bulletin(),
        runs=SimpleNamespace(progress={}),
        ended=False,
        excuse_silence=lambda: excused.append(True),
    )
    desk = Desk(Settings(), store, None, None, loop, clock=lambda: HEARTBEAT_EVERY_S + 1)
    assert desk.poll(job.id, Caller(), 0.0, connected=lambda: True).status is Status.QUEUED
    assert excused


def test_every_file_that_a_remote_caller_names_lies_under_the_roots(store, tmp_path):
    field = "reference_audio_path"
    models = tmp_path / "models.yaml"
    models.write_text("backends: {qwen3_tts: {default: a, models: {a: {checkpoint: a}}}}")
    settings = Settings(engine={"file_roots": [str(tmp_path)]})
    loop = SimpleNamespace(draining=False, wake=lambda: None)
    desk = Desk(settings, store, Catalog.load(models), None, loop)

    def submit(path, remote):
        submission = Submission(model_type="qwen3_tts", payload={"text": "Hi.", field: str(path)})
        (job_id,) = desk.submit([submission], Caller(remote=remote))
        return store.get(job_id).payload[field]

    with pytest.raises(InvalidRequest, match="must lie under") as raised:
        submit("/etc/passwd", remote=True)
    assert raised.value.param == f"payload.{field}"
    (tmp_path / "link.wav").symlink_to(tmp_path / "clip.wav")
    assert submit(tmp_path / "link.wav", remote=True) == str(tmp_path / "clip.wav")
    assert submit("/etc/passwd", remote=False) == "/etc/passwd"
