"""Speech into a bucket, with the whole appliance, a store over real HTTP, and its faults."""

from __future__ import annotations

import io
import re
import socket
import urllib.request
from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import pytest
import soundfile

from tests.acceptance.processes import Appliance, eventually, running_appliance
from tests.stand_ins.fake import SAMPLE_RATE, numbered

pytest.importorskip("boto3", reason="needs the extra [s3]")
pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")

from tests.buckets.object_store import (
    ACCESS_KEY,
    SECRET_KEY,
    SILENT,
    Fault,
    ObjectStore,
    moto_server,
    object_store,
)

ALICE, BOB = "alice's key", "bob's key"
PATIENCE_S = 120.0
LONG = {"texts": ["Text 7."], "model": "fake/very-long", "output": "s3"}
"""Eight minutes of audio, which take some seconds to make."""


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with moto_server() as port, object_store(port) as store:
        yield store


@pytest.fixture(scope="module")
def appliance(store: ObjectStore) -> Iterator[Appliance]:
    keys = ",".join(
        f"{name}:{sha256(key.encode()).hexdigest()}" for name, key in (("alice", ALICE), ("bob", BOB))
    )
    settings = {"SKYLARK_API_KEYS": keys, "SKYLARK_S3__TIMEOUT_S": "1", "SKYLARK_LOG_LEVEL": "DEBUG"}
    with running_appliance(**store.variables(), **settings) as appliance:
        appliance.http.headers["X-API-Key"] = ALICE
        yield appliance


@pytest.fixture(autouse=True)
def clean(store: ObjectStore) -> None:
    store.asked.clear()
    store.faults.clear()


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as reply:
        return reply.read()


def test_thirty_texts_are_thirty_objects_that_can_be_heard(appliance, store):
    texts = [f"This is text number {number}." for number in range(30)]
    body = {"texts": texts, "output": "s3", "format": "flac"}
    reply = appliance.post("tts", "/generate_batch", json=body, timeout=PATIENCE_S)
    assert reply.status_code == 200, reply.text
    results = reply.json()["results"]
    assert [result["text"] for result in results] == texts
    assert [result["job_id"] for result in results] == reply.json()["job_ids"]
    for result in results:
        assert re.fullmatch(r"audio/alice/\d{4}-\d\d-\d\d/[0-9a-f-]{36}\.flac", result["s3_key"])
        samples, rate = soundfile.read(io.BytesIO(fetched(result["presigned_url"])))
        assert len(samples) / rate == pytest.approx(result["duration_s"], abs=0.001)
        assert np.abs(samples).max() > 0.1
    assert len(reply.content) < 60_000
    assert set(store.whats()) == {"put", "get"}


def test_a_long_text_is_sent_while_it_is_made(appliance, store):
    with appliance.http.post(
        appliance.url("tts", "/generate_batch"), json=LONG, timeout=PATIENCE_S, stream=True
    ) as reply:
        result = reply.json()["results"][0]
    assert (store.whats()[0], store.whats()[-1]) == ("begin", "complete")
    assert store.whats().count("part") > 2
    samples, rate = soundfile.read(io.BytesIO(fetched(result["presigned_url"])), dtype="int16")
    assert rate == SAMPLE_RATE
    assert np.array_equal(samples, numbered(7, 0, len(samples)))
    assert len(samples) / rate == result["duration_s"]


def test_parts_are_sent_before_the_job_has_ended_and_whoever_goes_away_leaves_none(appliance, store):
    body = b'{"texts": ["Text 8."], "model": "fake/very-long-and-slow", "output": "s3"}'
    with socket.create_connection(("127.0.0.1", appliance.ports["tts"])) as client:
        client.sendall(
            b"POST /generate_batch HTTP/1.1\r\nHost: x\r\nX-API-Key: " + ALICE.encode() + b"\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        eventually(lambda: "part" in store.whats(), "a part is sent")
        assert appliance.jobs.queue()["running"]
        assert store.unfinished()
    eventually(lambda: "abort" in store.whats(), "the parts are given up")
    assert store.unfinished() == []
    eventually(lambda: not appliance.jobs.queue()["running"], "the job is cancelled")


def test_each_client_has_a_prefix_of_its_own(appliance, store):
    body = {"texts": ["Hello."], "s3": {"key": "audio/bob/book/0001.wav"}}
    refused = appliance.post("tts", "/generate_batch", json=body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "s3.key")
    reply = appliance.post("tts", "/generate_batch", json=body, headers={"X-API-Key": BOB})
    (result,) = reply.json()["results"]
    assert result["s3_url"] == f"{store.url}/speech/audio/bob/book/0001.wav"
    assert store.objects()["audio/bob/book/0001.wav"][:4] == b"RIFF"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(403, "InvalidAccessKeyId"), 502, "upload_failed"),
        (Fault(404, "NoSuchBucket"), 502, "upload_failed"),
        (Fault(507, "XMinioStorageFull"), 502, "upload_failed"),
        (Fault(503, "SlowDown"), 503, "bucket_unreachable"),
        (SILENT, 503, "bucket_unreachable"),
    ],
)
def test_what_the_store_does_not_take_is_kept_as_its_jobs_audio(appliance, store, fault, status, code):
    store.faults["put"] = [fault] * 10
    reply = appliance.post("tts", "/generate_batch", json={"texts": ["Hello there."], "output": "s3"})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (status, code)
    assert len(store.asked) <= 4
    job_id = re.search(r"job ([0-9a-f-]{36})$", error["message"])[1]
    with appliance.jobs.audio(job_id) as audio:
        assert len(b"".join(audio.chunks)) > audio.sample_rate


def test_openais_endpoint_puts_it_there_too(appliance, store):
    body = {"input": "Hello there.", "output": "s3", "s3": {"key": "audio/alice/hello.mp3"}}
    reply = appliance.post("tts", "/v1/audio/speech", json=body)
    assert reply.status_code == 200, reply.text
    said = reply.json()
    assert (said["s3_key"], said["format"], said["finish_reason"]) == ("audio/alice/hello.mp3", "mp3", "stop")
    samples, rate = soundfile.read(io.BytesIO(fetched(said["presigned_url"])))
    assert len(samples) / rate == pytest.approx(said["duration_s"], abs=0.15)
    refused = appliance.post("tts", "/v1/audio/speech", json=body | {"stream_format": "sse"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "output")
    store.faults["put"] = [Fault(403, "AccessDenied")]
    refused = appliance.post("tts", "/v1/audio/speech", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (502, "upload_failed")


def test_one_text_is_put_there_and_what_is_not_taken_is_kept_as_its_jobs_audio(appliance, store):
    body = {"text": "Hello there.", "output": "s3", "format": "flac", "sample_rate": 16_000}
    reply = appliance.post("tts", "/v1/tts", json=body)
    assert reply.status_code == 200, reply.text
    samples, rate = soundfile.read(io.BytesIO(fetched(reply.json()["presigned_url"])))
    assert rate == 16_000
    assert len(samples) / rate == pytest.approx(reply.json()["duration_s"], abs=0.001)
    store.faults["put"] = [Fault(507, "XMinioStorageFull")]
    refused = appliance.post("tts", "/v1/tts", json=body).json()["error"]
    assert refused["code"] == "upload_failed"
    job_id = re.search(r"job ([0-9a-f-]{36})$", refused["message"])[1]
    with appliance.jobs.audio(job_id) as audio:
        assert len(b"".join(audio.chunks)) > audio.sample_rate


def test_no_log_has_a_secret_or_a_signature(appliance):
    appliance.post("tts", "/generate_batch", json={"texts": ["Hello."], "output": "s3"})
    logs = "".join(file.read_text() for file in (appliance.folder / "logs").iterdir())
    assert '"level": "DEBUG"' in logs
    assert '"action": "upload"' in logs
    for secret in (ACCESS_KEY, SECRET_KEY, "Signature"):
        assert secret not in logs
