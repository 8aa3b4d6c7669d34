"""Files that jobs name, in real processes: whatever is put in their place, the queue goes on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile

from servers.errors import InvalidRequest, UnsupportedAudio
from tests.acceptance.processes import Engine, running_engine


@pytest.fixture(scope="module")
def engine():
    with running_engine(TTS_API_KEY="mine") as engine:
        (engine.folder / "files").mkdir(exist_ok=True)
        yield engine


@pytest.fixture
def files(engine, tmp_path):
    """A folder below the root for one test."""
    folder = engine.folder / "files" / tmp_path.name
    folder.mkdir()
    return folder


@pytest.fixture
def busy(engine):
    """A job that keeps the others waiting until it is cancelled."""
    job_id = engine.submit({"text": "hi", "chunks": 10_000, "pace_s": 0.02}, priority=0, batch_key="")
    yield job_id
    engine.client.cancel(job_id)


def wav(path: Path) -> Path:
    soundfile.write(path, np.zeros(16_000, np.int16), 16_000)
    return path


def heard(path: Path) -> dict:
    return {"model_type": "pocketsphinx", "payload": {"task": "transcribe", "audio_path": str(path)}}


def transcribe(engine: Engine, path: Path) -> str:
    (job_id,) = engine.client.submit([heard(path)])
    return job_id


def test_a_fifo_as_audio_is_refused_when_it_is_submitted(engine, files):
    os.mkfifo(files / "a.wav")
    with pytest.raises(UnsupportedAudio, match="FIFO") as raised:
        transcribe(engine, files / "a.wav")
    assert raised.value.param == "payload.audio_path"


def test_who_submits_for_a_client_on_a_network_may_name_no_more_than_that_client(engine, files, tmp_path):
    (own,) = engine.client.submit([heard(wav(tmp_path / "a.wav"))])
    assert engine.ended(own)["status"] == "done", "any file will do over the socket"
    for jobs in ([heard(tmp_path / "a.wav")], [heard(wav(files / "b.wav")), heard(tmp_path / "a.wav")]):
        with pytest.raises(InvalidRequest, match="must lie under one of") as raised:
            engine.client.submit(jobs, owner="alice", remote=True)
        assert str(raised.value.param).endswith("payload.audio_path")
    (below,) = engine.client.submit([heard(files / "b.wav")], owner="alice", remote=True)
    assert engine.ended(below)["status"] == "done"


@pytest.mark.parametrize(("link", "says"), [(False, "it is a FIFO"), (True, "links are not followed")])
def test_over_tcp_too(engine, files, link, says):
    if link:
        (files / "a.wav").symlink_to("/etc/passwd")
    else:
        os.mkfifo(files / "a.wav")
    url = f"http://127.0.0.1:{engine.port}/jobs"
    reply = requests.post(url, json=heard(files / "a.wav"), headers={"X-API-Key": "mine"}, timeout=60)
    assert reply.status_code == 422
    assert reply.json()["error"]["param"] == "payload.audio_path"
    assert says in reply.json()["error"]["message"]


def test_a_recording_that_is_swapped_before_it_is_read_fails_its_job_and_the_queue_goes_on(
    engine, files, busy
):
    fifo, link, way, good = (wav(files / f"{name}.wav") for name in ("fifo", "link", "way", "good"))
    (files / "inner").mkdir()
    inner = wav(files / "inner" / "a.wav")
    swapped = [transcribe(engine, path) for path in (fifo, link, inner)]
    after = transcribe(engine, good)
    fifo.unlink()
    os.mkfifo(fifo)
    link.unlink()
    link.symlink_to(way)
    (files / "inner").rename(files / "moved")
    (files / "inner").symlink_to("moved")
    engine.client.cancel(busy)
    jobs = [engine.ended(job_id) for job_id in swapped]
    assert [(job["status"], job["attempt"]) for job in jobs] == [("failed", 1)] * 3
    assert {(job["error"]["code"], job["error"]["param"]) for job in jobs} == {
        ("unsupported_audio", "audio_path")
    }
    says = ["it is a FIFO", "links are not followed", "links are not followed"]
    assert [expected in job["error"]["message"] for expected, job in zip(says, jobs, strict=True)] == [
        True
    ] * 3
    assert engine.ended(after)["status"] == "done"


def test_a_result_is_not_written_over_a_link_that_took_the_place_of_its_folder(engine, files, busy):
    (files / "inner").mkdir()
    elsewhere = engine.folder / f"elsewhere-{files.name}"
    elsewhere.mkdir()
    job_id = engine.submit({"text": "hi"}, result_path=str(files / "inner" / "a.wav"))
    (files / "inner").rename(files / "moved")
    (files / "inner").symlink_to(elsewhere)
    engine.client.cancel(busy)
    job = engine.ended(job_id)
    assert job["status"] == "failed"
    assert (job["error"]["code"], job["error"]["param"]) == ("invalid_request", "result_path")
    assert list(elsewhere.iterdir()) == list((files / "moved").iterdir()) == []
