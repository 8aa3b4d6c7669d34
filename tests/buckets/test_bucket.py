from __future__ import annotations

import base64
import hashlib
import logging
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest

from servers import extras
from servers.buckets.bucket import bucket
from servers.buckets.upload import PART_BYTES, Upload
from servers.errors import BucketNotConfigured, BucketUnreachable, InvalidRequest, MissingExtra, UploadFailed
from servers.settings import S3
from tests.acceptance.processes import free_port

pytest.importorskip("boto3", reason="needs the extra [s3]")
pytest.importorskip("moto.server", reason="moto, the object store of the tests, is not installed")

from tests.buckets.object_store import (
    ACCESS_KEY,
    BUCKET,
    HANGS_UP,
    SECRET_KEY,
    SILENT,
    Fault,
    ObjectStore,
)

KEY = "audio/ä b+c.wav"
BUSY = Fault(503, "SlowDown")


def test_an_object_is_put_and_its_signed_address_needs_no_key(store: ObjectStore) -> None:
    into = bucket(store.options())
    into.put(KEY, b"so it is", "audio/wav")
    assert store.objects() == {KEY: b"so it is"}
    place = into.place(KEY)
    with urllib.request.urlopen(place.presigned_url, timeout=30) as reply:
        assert (reply.read(), reply.headers["Content-Type"]) == (b"so it is", "audio/wav")
    assert place.s3_key == KEY
    assert place.s3_url == f"{store.url}/{BUCKET}/audio/%C3%A4%20b%2Bc.wav"
    signed = parse_qs(urlsplit(place.presigned_url).query)
    assert signed["X-Amz-Expires"] == ["86400"]
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert SECRET_KEY not in place.presigned_url


def test_what_is_there_is_told_from_what_is_not_and_from_what_may_not_be_asked(store: ObjectStore) -> None:
    asked = bucket(store.options())
    asked.put(KEY, b"so it is", "audio/wav")
    assert asked.has(KEY)
    assert not asked.has("audio/other.wav")
    store.faults["get"] = [Fault(403, "AccessDenied")]
    with pytest.raises(UploadFailed, match="may not look into bucket"):
        asked.has(KEY)


def test_a_long_object_is_sent_in_parts(store: ObjectStore) -> None:
    upload = Upload(bucket(store.options()), KEY, "audio/flac")
    for number in range(5):
        upload.write(bytes([number]) * PART_BYTES)
        upload.send()
    upload.write(b"end")
    assert store.unfinished() == [KEY]
    assert store.objects() == {}
    upload.seek(0)
    upload.write(b"head")
    upload.finish()
    whole = b"".join(bytes([number]) * PART_BYTES for number in range(5)) + b"end"
    assert store.objects() == {KEY: b"head" + whole[4:]}
    assert store.unfinished() == []
    assert store.client.head_object(Bucket=BUCKET, Key=KEY)["ContentType"] == "audio/flac"
    assert store.whats() == ["begin"] + ["part"] * 6 + ["complete"]


def test_an_aborted_upload_leaves_nothing(store: ObjectStore) -> None:
    upload = Upload(bucket(store.options()), KEY, "audio/wav")
    upload.write(bytes(3 * PART_BYTES))
    upload.send()
    upload.abort()
    assert (store.objects(), store.unfinished()) == ({}, [])


def test_a_body_is_sent_with_its_digest_and_without_the_checksums_that_other_stores_refuse(
    store: ObjectStore,
) -> None:
    bucket(store.options()).put(KEY, b"so it is", "audio/wav")
    headers = {name.lower(): value for name, value in store.asked[0].headers.items()}
    assert headers["content-md5"] == base64.b64encode(hashlib.md5(b"so it is").digest()).decode()
    assert not [name for name in headers if "checksum" in name or "trailer" in name]


@pytest.mark.parametrize("fault", [BUSY, Fault(500, "InternalError"), HANGS_UP, SILENT])
def test_a_store_that_recovers_is_asked_again(store: ObjectStore, fault: Fault) -> None:
    store.faults["put"] = [fault]
    patience = {"timeout_s": 2.0} if fault.silent else {}
    bucket(store.options(**patience)).put(KEY, b"so it is", "audio/wav")
    assert store.objects() == {KEY: b"so it is"}
    assert store.whats() == ["put", "put"]


SLOW = Fault(bytes_a_s=10_000_000)


def test_a_store_that_is_slow_and_takes_all_of_it_is_waited_for(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servers.buckets.bucket.CONNECT_TIMEOUT_S", 0.25)
    store.faults["put"] = [SLOW]
    content = bytes(2 * PART_BYTES)
    bucket(store.options()).put(KEY, content, "audio/wav")  # a second
    assert store.whats() == ["put"]
    assert store.objects() == {KEY: content}


def test_a_store_that_is_slower_than_is_waited_for_is_given_up(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servers.buckets.bucket.SENDING_S", 0.3)
    store.faults["put"] = [SLOW] * 10
    with pytest.raises(BucketUnreachable, match="does not answer"):
        bucket(store.options(attempts=1)).put(KEY, bytes(2 * PART_BYTES), "audio/wav")
    assert store.whats() == ["put"]
    assert store.objects() == {}


REFUSALS = [
    (Fault(503, "SlowDown"), BucketUnreachable, "too busy (SlowDown)"),
    (Fault(500, "InternalError"), BucketUnreachable, "too busy"),
    (Fault(429, "TooManyRequests"), BucketUnreachable, "too busy"),
    (HANGS_UP, BucketUnreachable, "does not answer"),
    (SILENT, BucketUnreachable, "does not answer"),
    (Fault(403, "InvalidAccessKeyId"), UploadFailed, "does not accept the server's credentials"),
    (Fault(403, "SignatureDoesNotMatch"), UploadFailed, "does not accept the server's credentials"),
    (Fault(400, "ExpiredToken"), UploadFailed, "does not accept the server's credentials"),
    (Fault(403, "AccessDenied"), UploadFailed, f"may not write to bucket '{BUCKET}'"),
    (Fault(404, "NoSuchBucket"), UploadFailed, f"there is no bucket '{BUCKET}'"),
    (Fault(301, "PermanentRedirect"), UploadFailed, "set s3.region"),
    (Fault(507, "InsufficientStorage"), UploadFailed, "is full"),
    (Fault(507, "XMinioStorageFull"), UploadFailed, "is full"),
    (Fault(403, "QuotaExceeded"), UploadFailed, "is full"),
    (Fault(400, "SomethingNew"), UploadFailed, "refused the request (SomethingNew)"),
    (Fault(400, f"what a code is not: {SECRET_KEY}"), UploadFailed, "refused the request (400)"),
]
OF_A_PART = [(what, *REFUSALS[place]) for what in ("begin", "part", "complete") for place in (8, 9, 11)]


@pytest.mark.parametrize(
    ("what", "fault", "kind", "says"), [*(("put", *each) for each in REFUSALS), *OF_A_PART]
)
def test_a_refusal_is_typed_and_says_no_secret(
    store: ObjectStore,
    caplog: pytest.LogCaptureFixture,
    what: str,
    fault: Fault,
    kind: type[UploadFailed],
    says: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    store.faults[what] = [fault] * 20
    patience = {"timeout_s": 0.3} if fault.silent else {}
    upload = Upload(bucket(store.options(**patience)), KEY, "audio/wav")
    upload.write(bytes(100 if what == "put" else 2 * PART_BYTES))
    with pytest.raises(UploadFailed) as raised:
        upload.finish()
    upload.abort()
    assert type(raised.value) is kind
    assert says in raised.value.message
    assert raised.value.__cause__ is None
    told = raised.value.message + "".join(record.getMessage() for record in caplog.records)
    for secret in (ACCESS_KEY, SECRET_KEY, "Signature="):
        assert secret not in told
    assert store.whats().count(what) <= 3
    assert (store.objects(), store.unfinished()) == ({}, [])


def test_nobody_at_the_address_is_a_typed_error() -> None:
    options = S3(
        bucket="a", endpoint_url=f"http://127.0.0.1:{free_port()}", access_key="k", secret_key="s", attempts=1
    )
    with pytest.raises(BucketUnreachable, match="does not answer"):
        bucket(options).put(KEY, b"", "audio/wav")


def test_a_real_store_says_that_there_is_no_such_bucket(store: ObjectStore) -> None:
    with pytest.raises(UploadFailed, match="there is no bucket 'nothing'"):
        bucket(store.options(bucket="nothing")).put(KEY, b"", "audio/wav")


def test_a_bucket_that_is_none_is_a_typed_error(store: ObjectStore) -> None:
    with pytest.raises(UploadFailed, match="cannot be asked"):
        bucket(store.options(bucket="no bucket at all")).put(KEY, b"", "audio/wav")


def test_without_credentials_it_is_not_configured(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    without = bucket(store.options(access_key=None, secret_key=None))
    with pytest.raises(BucketNotConfigured, match="E2E_ACCESS_KEY"):
        without.put(KEY, b"", "audio/wav")
    with pytest.raises(BucketNotConfigured):
        without.place(KEY)


def test_awss_own_variables_will_do(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFROMAWS000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    into = bucket(S3(bucket=BUCKET, timeout_s=19.0))
    into.put(KEY, b"so it is", "audio/wav")
    assert store.objects() == {KEY: b"so it is"}
    assert "AKIAFROMAWS000000000/" in store.asked[0].headers["Authorization"]
    assert "/eu-central-1/s3/" in store.asked[0].headers["Authorization"]


def test_at_aws_the_bucket_is_in_the_hosts_name() -> None:
    options = S3(bucket="pathnam-ai", access_key="k", secret_key="s", region="us-east-1")
    place = bucket(options).place("audio/job_abc/tts_123.wav")
    assert place.s3_url == "https://pathnam-ai.s3.amazonaws.com/audio/job_abc/tts_123.wav"
    assert place.presigned_url.startswith(f"{place.s3_url}?X-Amz-")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("skylark-speech", "https://skylark-speech.s3.eu-central-1.amazonaws.com/a.wav"),
        ("skylark.speech", "https://s3.eu-central-1.amazonaws.com/skylark.speech/a.wav"),
    ],
)
def test_at_aws_an_address_names_the_host_of_the_region(name: str, address: str) -> None:
    options = S3(bucket=name, access_key="k", secret_key="s", region="eu-central-1")
    assert bucket(options).place("a.wav").s3_url == address


def test_e2es_store_has_the_bucket_in_the_path() -> None:
    options = S3(
        bucket="qwen3-tts", endpoint_url="https://objectstore.e2enetworks.net", access_key="k", secret_key="s"
    )
    place = bucket(options).place("audio/a1/ch1_001.wav")
    assert place.s3_url == "https://objectstore.e2enetworks.net/qwen3-tts/audio/a1/ch1_001.wav"


def test_a_client_may_name_the_buckets_that_are_allowed(store: ObjectStore) -> None:
    options = store.options(other_buckets=("theirs",))
    assert bucket(options, "theirs").name == "theirs"
    assert bucket(options, BUCKET).name == BUCKET
    with pytest.raises(InvalidRequest, match="may be one of: speech, theirs") as raised:
        bucket(options, "yours")
    assert raised.value.param == "s3.bucket"


def test_no_bucket_is_not_configured() -> None:
    with pytest.raises(BucketNotConfigured, match="E2E_BUCKET"):
        bucket(S3())


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="boto3"):
        bucket(S3(bucket="a"))
