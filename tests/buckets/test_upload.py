from __future__ import annotations

import random

import pytest

from servers.buckets.bucket import Place
from servers.buckets.upload import PART_BYTES, Upload
from servers.errors import BucketUnreachable
from tests.buckets.in_memory import InMemory

KEY = "audio/a.wav"


@pytest.fixture
def bucket() -> InMemory:
    return InMemory()


@pytest.fixture
def upload(bucket: InMemory) -> Upload:
    return Upload(bucket, KEY, "audio/wav")  # type: ignore[arg-type]


def written(upload: Upload, content: bytes, piece: int) -> None:
    """As a codec writes: a header that is filled in at the end."""
    upload.write(b"?" * min(44, len(content)))
    for start in range(44, len(content), piece):
        upload.write(content[start : start + piece])
        upload.send()
    assert upload.tell() == len(content)
    upload.seek(0)
    upload.write(content[:44])
    assert upload.seek(0, 2) == len(content)


@pytest.mark.parametrize(
    "size",
    [
        *(0, 1, 43, 44, 45),
        *(parts * PART_BYTES + more for parts in (1, 2) for more in (-1, 0, 1)),
        4 * PART_BYTES + 77,
    ],
)
@pytest.mark.parametrize("piece", [999_983, 7 * PART_BYTES])
def test_the_object_is_what_was_written(bucket: InMemory, upload: Upload, size: int, piece: int) -> None:
    content = random.Random(size).randbytes(size)
    written(upload, content, piece)
    assert upload.finish() == Place("url", KEY, "signed")
    assert bucket.objects == {KEY: content}


def test_what_fits_two_parts_is_sent_as_a_whole(bucket: InMemory, upload: Upload) -> None:
    upload.write(bytes(2 * PART_BYTES - 1))
    upload.send()
    assert bucket.asked == []
    upload.finish()
    assert bucket.asked == ["put"]


def test_parts_are_sent_when_they_are_whole_and_the_first_one_last(bucket: InMemory, upload: Upload) -> None:
    for _ in range(3):
        upload.write(bytes(PART_BYTES))
        upload.send()
    assert bucket.asked == ["begin", "part 2", "part 3"]
    upload.write(b"end")
    upload.finish()
    assert bucket.asked[3:] == ["part 4", "part 1", "complete"]


def test_what_was_sent_cannot_be_written_over(upload: Upload) -> None:
    upload.write(bytes(3 * PART_BYTES))
    upload.send()
    upload.seek(PART_BYTES + 1)
    with pytest.raises(ValueError, match="was sent"):
        upload.write(b"x")


def test_an_abort_is_told_to_the_store_once_and_only_where_it_has_parts(bucket: InMemory) -> None:
    small, large, whole = (Upload(bucket, KEY, "audio/wav") for _ in range(3))  # type: ignore[arg-type]
    small.write(b"a")
    small.abort()
    assert bucket.asked == []
    large.write(bytes(2 * PART_BYTES))
    large.send()
    large.abort()
    large.abort()
    assert bucket.asked == ["begin", "part 2", "abort"]
    whole.write(bytes(2 * PART_BYTES))
    whole.finish()
    whole.abort()
    assert bucket.asked.count("abort") == 1


def test_an_abort_that_fails_is_logged_and_nothing_more(
    bucket: InMemory, upload: Upload, caplog: pytest.LogCaptureFixture
) -> None:
    upload.write(bytes(2 * PART_BYTES))
    upload.send()
    bucket.refuses = "abort"
    upload.abort()
    assert [record.__dict__["key"] for record in caplog.records] == [KEY]


@pytest.mark.parametrize("refuses", ["begin", "part 2", "part 3", "part 1", "complete"])
def test_a_failure_is_raised_and_can_be_aborted(bucket: InMemory, upload: Upload, refuses: str) -> None:
    bucket.refuses = refuses

    def all_of_it() -> None:
        for _ in range(3):
            upload.write(bytes(PART_BYTES))
            upload.send()
        upload.finish()

    with pytest.raises(BucketUnreachable):
        all_of_it()
    upload.abort()
    assert bucket.objects == {}
    assert ("abort" in bucket.asked) == (refuses != "begin")
