"""POST /v1/tts into a bucket: a store over HTTP, and a stand-in for the engine."""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import soundfile
from flask.testing import FlaskClient

from servers.spoken.recall import EXTENSION
from servers.tts.app import create_app
from tests.acceptance.processes import eventually
from tests.jobs.stand_in_engine import StandInEngine
from tests.web.fixtures import Configure

pytest.importorskip("boto3", reason="needs the extra [s3]")
pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")

from tests.buckets.object_store import SILENT, Fault

PATH = "/v1/tts"
HELLO = {"text": "Hello.", "output": "s3"}
REFUSED = Fault(403, "AccessDenied")


@pytest.fixture
def client(configure: Configure, store: Any, engine: StandInEngine) -> FlaskClient:
    configure(**store.variables())
    return create_app(engine).test_client()


@pytest.fixture
def caching(configure: Configure, store: Any, engine: StandInEngine) -> Iterator[FlaskClient]:
    configure(**store.variables(), TTS_ENABLE_CACHE="true")
    app = create_app(engine)
    yield app.test_client()
    app.extensions[EXTENSION].cache.close()


def test_the_audio_is_in_the_bucket_and_the_reply_says_where(
    client: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    reply = client.post(PATH, json=HELLO | {"format": "flac", "sample_rate": 16_000})
    assert reply.status_code == 200, reply.json
    made = reply.json
    (job_id,) = engine.jobs
    assert (made["job_id"], reply.headers["X-Job-Id"]) == (job_id, job_id)
    assert re.fullmatch(rf"audio/\d{{4}}-\d\d-\d\d/{job_id}\.flac", made["s3_key"])
    assert made["s3_url"] == f"{store.url}/speech/{made['s3_key']}"
    assert made["presigned_url"].startswith(made["s3_url"] + "?")
    assert (made["format"], made["sample_rate"], made["cached"]) == ("flac", 16_000, False)
    assert not {"audio", "url", "file"} & made.keys()
    samples, rate = soundfile.read(io.BytesIO(store.objects()[made["s3_key"]]))
    assert (rate, len(samples)) == (16_000, 16_000)


def test_the_key_may_be_chosen(client: FlaskClient, store: Any) -> None:
    made = client.post(PATH, json={"text": "Hello.", "s3": {"key": "audio/hello.wav"}}).json
    assert made["s3_key"] == "audio/hello.wav"
    in_reply = client.post(PATH, json={"text": "Hello."}).json
    assert store.objects() == {"audio/hello.wav": base64.b64decode(in_reply["audio"])}


def test_the_bucket_wins_over_the_settings_files(
    configure: Configure, store: Any, engine: StandInEngine
) -> None:
    configure(**store.variables(), TTS_OUTPUT_MODE="file")
    made = create_app(engine).test_client().post(PATH, json=HELLO).json
    assert "url" not in made
    assert list(store.objects()) == [made["s3_key"]]


def test_the_same_again_is_put_there_again_and_nobody_speaks(
    caching: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    first, again = (caching.post(PATH, json=HELLO) for _ in range(2))
    assert (first.headers["X-Cache"], again.headers["X-Cache"]) == ("miss", "hit")
    assert (first.json["cached"], again.json["cached"]) == (False, True)
    assert again.json["job_id"] is None
    assert again.json["id"] in again.json["s3_key"]
    objects = store.objects()
    assert objects.keys() == {first.json["s3_key"], again.json["s3_key"]}
    assert len(set(objects.values())) == len(engine.jobs) == 1


def test_what_was_spoken_for_a_reply_can_be_put_there(
    caching: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    audio = base64.b64decode(caching.post(PATH, json={"text": "Hello."}).json["audio"])
    made = caching.post(PATH, json=HELLO).json
    assert store.objects()[made["s3_key"]] == audio
    assert len(engine.jobs) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [(REFUSED, 502, "upload_failed"), (Fault(503, "SlowDown"), 503, "bucket_unreachable")],
)
def test_what_the_store_does_not_take_is_its_jobs_audio_still(
    client: FlaskClient, engine: StandInEngine, store: Any, fault: Fault, status: int, code: str
) -> None:
    store.faults["put"] = [fault] * 4
    reply = client.post(PATH, json=HELLO)
    assert (reply.status_code, reply.json["error"]["code"]) == (status, code)
    (job_id,) = engine.jobs
    assert reply.json["error"]["message"].endswith(f"; the audio is kept as that of job {job_id}")
    assert (store.objects(), engine.cancelled) == ({}, [])


def test_who_asks_again_after_a_fault_is_not_spoken_to_again(
    caching: FlaskClient, engine: StandInEngine, store: Any
) -> None:
    store.faults["put"] = [REFUSED] * 2
    assert [caching.post(PATH, json=HELLO).status_code for _ in range(3)] == [502, 502, 200]
    assert len(store.objects()) == len(engine.jobs) == 1


def test_a_request_that_has_a_name_is_one_object(client: FlaskClient, store: Any) -> None:
    headers = {"Idempotency-Key": "mine"}
    first, again = (client.post(PATH, json=HELLO, headers=headers).json for _ in range(2))
    assert first["s3_key"] == again["s3_key"]
    assert list(store.objects()) == [first["s3_key"]]


def test_a_store_that_is_silent_keeps_nobody_from_the_model(
    configure: Configure, store: Any, engine: StandInEngine
) -> None:
    configure(**store.variables(), TTS_MAX_QUEUE_SIZE="1", TTS_MAX_CONCURRENCY_PER_MODEL="1")
    app = create_app(engine)
    store.faults["put"] = [SILENT] * 3
    waiting = [threading.Thread(target=lambda: app.test_client().post(PATH, json=HELLO)) for _ in range(3)]
    for number, each in enumerate(waiting, 1):
        each.start()
        eventually(lambda number=number: store.whats().count("put") == number, "the store was asked")
    assert app.test_client().post(PATH, json={"text": "Hello."}).status_code == 200
    store.ended.set()
    for each in waiting:
        each.join()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"stream": True}, "output"),
        ({"output_mode": "file"}, "output"),
        ({"output_mode": "base64"}, "output"),
        ({"output": "s4"}, "output"),
        ({"s3": {"key": "elsewhere/a.wav"}}, "s3.key"),
        ({"s3": {"bucket": "theirs"}}, "s3.bucket"),
        ({"s3": {"keys": [None, None]}}, "s3.keys"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_spoken(
    client: FlaskClient, engine: StandInEngine, body: dict[str, Any], param: str
) -> None:
    reply = client.post(PATH, json=HELLO | body)
    assert (reply.status_code, reply.json["error"]["param"]) == (422, param)
    assert not engine.submitted


def test_without_a_bucket_it_says_so(configure: Configure, engine: StandInEngine) -> None:
    reply = create_app(engine).test_client().post(PATH, json=HELLO)
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "bucket_not_configured")
    assert not engine.submitted
