from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from servers.errors import BucketNotConfigured, InvalidRequest
from servers.web.s3_output import S3Output
from tests.web.fixtures import Configure

pytest.importorskip("boto3", reason="needs the extra [s3]")


@pytest.fixture(autouse=True)
def configured(configure: Configure) -> None:
    configure(
        SKYLARK_S3__BUCKET="speech",
        SKYLARK_S3__OTHER_BUCKETS='["theirs"]',
        SKYLARK_S3__ACCESS_KEY="key",
        SKYLARK_S3__SECRET_KEY="secret",
        SKYLARK_S3__REGION="eu-central-1",
    )


def destination(body: dict[str, Any], count: int = 1, owner: str | None = "alice") -> Any:
    return S3Output.parse(body).destination("mp3", count, owner)


def key_of(body: dict[str, Any], index: int = 0, count: int = 1, owner: str | None = "alice") -> str:
    return destination(body, count, owner).upload(index, "7c0e").key


def test_who_asks_for_no_bucket_has_the_audio_in_the_reply() -> None:
    assert destination({}) is None
    assert destination({"output": None, "s3": None}) is None


@pytest.mark.parametrize("body", [{"output": "s3"}, {"s3": {}}, {"s3": {"key": None, "bucket": None}}])
def test_a_key_is_made_where_none_was_chosen(body: dict[str, Any]) -> None:
    today = datetime.now(UTC).date()
    assert key_of(body) == f"audio/alice/{today}/7c0e.mp3"
    assert key_of(body, owner=None) == f"audio/{today}/7c0e.mp3"
    assert destination(body).bucket.name == "speech"


def test_keys_may_be_chosen() -> None:
    assert key_of({"s3": {"key": "audio/alice/a.mp3"}}) == "audio/alice/a.mp3"
    several = {"s3": {"keys": ["audio/alice/a.mp3", None]}}
    assert key_of(several, 0, 2) == "audio/alice/a.mp3"
    assert key_of(several, 1, 2).endswith("/7c0e.mp3")


def test_another_bucket_may_be_named() -> None:
    assert destination({"s3": {"bucket": "theirs"}}).bucket.name == "theirs"


@pytest.mark.parametrize(
    ("body", "count", "param"),
    [
        ({"output": "azure"}, 1, "output"),
        ({"s3": "speech"}, 1, "s3"),
        ({"s3": {"kye": "a"}}, 1, "s3.kye"),
        ({"s3": {"key": 1}}, 1, "s3.key"),
        ({"s3": {"key": "audio/bob/a.mp3"}}, 1, "s3.key"),
        ({"s3": {"key": "audio/alice/\n"}}, 1, "s3.key"),
        ({"s3": {"key": "audio/alice/a.mp3"}}, 2, "s3.key"),
        ({"s3": {"key": "audio/alice/a.mp3", "keys": [None]}}, 1, "s3.key"),
        ({"s3": {"keys": [None]}}, 2, "s3.keys"),
        ({"s3": {"keys": []}}, 1, "s3.keys"),
        ({"s3": {"keys": ["audio/alice/a.mp3"] * 2}}, 2, "s3.keys"),
        ({"s3": {"keys": [None, "audio/alice"]}}, 2, "s3.keys.1"),
        ({"s3": {"bucket": "yours"}}, 1, "s3.bucket"),
        ({"s3": {"bucket": ""}}, 1, "s3.bucket"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], count: int, param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        destination(body, count)
    assert raised.value.param == param


def test_no_bucket_is_a_typed_error(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SKYLARK_S3__BUCKET")
    configure()
    with pytest.raises(BucketNotConfigured):
        destination({"output": "s3"})
