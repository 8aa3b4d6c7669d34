"""The bucket, over HTTP, and what its store says."""

from __future__ import annotations

import urllib.request
from hashlib import sha256
from typing import Any

import pytest
from flask.testing import FlaskClient

from servers.finetune import storage
from servers.finetune.app import create_app
from tests.jobs.stand_in_engine import StandInEngine
from tests.web.fixtures import Configure

pytest.importorskip("boto3", reason="needs the extra [s3]")
pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")

from tests.buckets.object_store import Fault


def put(store: Any, *keys: str) -> None:
    for key in keys:
        store.client.put_object(Bucket="speech", Key=key, Body=key.encode())


def test_it_says_where_the_bucket_is_without_asking_it(stored: FlaskClient, store: Any) -> None:
    said = {"configured": True, "endpoint": store.url, "bucket": "speech"}
    assert stored.get("/storage/status").json == said
    assert store.asked == []


def test_without_a_bucket_it_says_so(client: FlaskClient) -> None:
    assert client.get("/storage/status").json == {"configured": False, "endpoint": None, "bucket": None}
    reply = client.get("/storage/list/a1b2")
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "bucket_not_configured")


def test_a_jobs_files_are_listed_in_order_and_can_be_fetched(stored: FlaskClient, store: Any) -> None:
    put(store, "audio/a1b2/2.wav", "audio/a1b2/1.wav", "audio/a1b2c3/1.wav", "elsewhere/a1b2/1.wav")
    found = stored.get("/storage/list/a1b2").json
    assert (found["job_id"], found["count"]) == ("a1b2", 2)
    assert [each["key"] for each in found["files"]] == ["audio/a1b2/1.wav", "audio/a1b2/2.wav"]
    assert found["files"][0]["url"] == f"{store.url}/speech/audio/a1b2/1.wav"
    with urllib.request.urlopen(found["files"][0]["presigned_url"], timeout=30) as reply:
        assert reply.read() == b"audio/a1b2/1.wav"
    assert stored.get("/storage/list/none").json == {"job_id": "none", "count": 0, "files": []}


def test_more_files_than_a_reply_has_room_for_are_cut(
    stored: FlaskClient, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MOST", 2)
    put(store, *(f"audio/a1b2/{number}.wav" for number in range(3)))
    assert stored.get("/storage/list/a1b2").json["count"] == 2


def test_a_key_is_not_told_of_the_files_of_another(
    configure: Configure, store: Any, engine: StandInEngine
) -> None:
    keys = ",".join(f"{name}:{sha256(name.encode()).hexdigest()}" for name in ("alice", "bob"))
    configure(**store.variables(), SKYLARK_API_KEYS=keys)
    client = create_app(engine).test_client()
    put(store, "audio/alice/a1b2/1.wav")
    for name, count in (("alice", 1), ("bob", 0)):
        headers = {"X-API-Key": name}
        assert client.get("/storage/list/a1b2", headers=headers).json["count"] == count
        assert client.get("/storage/list/..", headers=headers).status_code == 422


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (Fault(403, "AccessDenied"), 502, "may not list bucket 'speech'"),
        (Fault(404, "NoSuchBucket"), 502, "there is no bucket 'speech'"),
        (Fault(503, "SlowDown"), 503, "too busy"),
    ],
)
def test_a_store_that_does_not_tell_is_a_typed_error(
    stored: FlaskClient, store: Any, fault: Fault, status: int, said: str
) -> None:
    store.faults["get"] = [fault] * 4
    reply = stored.get("/storage/list/a1b2")
    assert reply.status_code == status
    assert said in reply.json["error"]["message"]
