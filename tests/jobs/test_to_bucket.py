from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pytest
import soundfile

from servers.audio.encode import FORMATS
from servers.buckets.upload import PART_BYTES
from servers.errors import (
    BackendFailed,
    BucketUnreachable,
    DeadlineExceeded,
    JobCancelled,
    SkylarkError,
)
from servers.jobs import to_bucket
from servers.jobs.request import BegunAgain, HowFar
from servers.jobs.to_bucket import AT_ONCE, Destination, Uploaded, uploaded
from servers.speech import Chunk
from tests.audio.decoded import decoded
from tests.buckets.in_memory import InMemory

RATE_HZ = 22_050
RESULT = {"sample_rate": RATE_HZ, "duration_s": 1.0}
TODAY = date(2026, 11, 30)
Made = Chunk | HowFar | BegunAgain | dict[str, Any] | SkylarkError


def chunk(seconds: float = 0.5, level: int = 1000) -> Chunk:
    return Chunk(np.full(int(seconds * RATE_HZ), level, np.int16), RATE_HZ)


LONG = chunk(3 * PART_BYTES / RATE_HZ / 2)
"""Three parts of an upload."""


class Asked:
    """A request whose jobs make this, one after the other; an exception that is no result is raised."""

    def __init__(self, *made: tuple[int, Made] | Exception) -> None:
        self._made = made
        self.job_ids = ["id-0", "id-1", "id-2"]

    def attempts(self) -> Iterator[tuple[int, Made]]:
        for each in self._made:
            if isinstance(each, Exception):
                raise each
            yield each


@pytest.fixture
def bucket() -> InMemory:
    return InMemory()


def put(bucket: InMemory, *made: tuple[int, Made] | Exception, format: str = "wav", **more: Any) -> list[Any]:
    keys = more.pop("keys", [None] * 3)
    destination = Destination(bucket, format, "audio/", keys, TODAY)  # type: ignore[arg-type]
    return list(uploaded(Asked(*made), destination))  # type: ignore[arg-type]


def samples_of(content: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == RATE_HZ
    return samples


@pytest.mark.parametrize("format", FORMATS)
def test_the_object_is_the_file_of_that_format(bucket: InMemory, format: str) -> None:
    if format == "aac":
        pytest.importorskip("av", reason="needs the extra [av]")
    (made,) = put(bucket, (0, chunk()), (0, chunk()), (0, RESULT), format=format)
    assert isinstance(made, Uploaded)
    assert (made.job_id, made.result) == ("id-0", RESULT)
    assert made.place.s3_key == f"audio/2026-11-30/id-0.{format}"
    samples, rate = decoded(bucket.objects[made.place.s3_key], format)
    assert len(samples) / rate == pytest.approx(1.0, abs=0.15)


def test_each_job_has_an_object_of_its_own(bucket: InMemory) -> None:
    made = put(
        bucket, (0, chunk(level=1)), (0, RESULT), (1, chunk(level=2)), (1, RESULT), keys=["audio/a", None]
    )
    keys = ["audio/a", "audio/2026-11-30/id-1.wav"]
    assert [each.place.s3_key for each in made] == keys
    assert [samples_of(bucket.objects[key])[0] for key in keys] == [1, 2]


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_a_long_one_is_sent_while_it_is_made_and_says_in_its_header_how_long_it_is(
    bucket: InMemory, format: str
) -> None:
    noise = np.random.default_rng(0).integers(-30_000, 30_000, 3 * PART_BYTES).astype(np.int16)
    halves = [Chunk(half, RATE_HZ) for half in np.array_split(noise, 2)]
    seen: list[list[str]] = []

    class Watched(Asked):
        def attempts(self) -> Iterator[tuple[int, Made]]:
            for half in halves:
                yield 0, half
                seen.append(list(bucket.asked))
            yield 0, RESULT

    destination = Destination(bucket, format, "", [None] * 3, TODAY)  # type: ignore[arg-type]
    (made,) = uploaded(Watched(), destination)  # type: ignore[arg-type]
    assert isinstance(made, Uploaded)
    assert "part 2" in seen[0]
    assert len(seen[1]) > len(seen[0])
    content = bucket.objects[made.place.s3_key]
    assert soundfile.info(io.BytesIO(content)).frames == len(noise)
    assert np.array_equal(samples_of(content), noise)


def test_what_was_sent_of_a_job_that_is_begun_again_is_aborted(bucket: InMemory) -> None:
    (made,) = put(bucket, (0, LONG), (0, BegunAgain()), (0, chunk(level=7)), (0, RESULT))
    assert "abort" in bucket.asked
    assert set(samples_of(bucket.objects[made.place.s3_key])) == {7}


def test_a_job_that_fails_leaves_no_object(bucket: InMemory) -> None:
    no = BackendFailed("no breath")
    assert put(bucket, (0, LONG), (0, no), (1, no), (2, chunk()), (2, RESULT))[:2] == [no, no]
    assert "abort" in bucket.asked
    assert list(bucket.objects) == ["audio/2026-11-30/id-2.wav"]


def test_a_job_without_audio_is_a_file_without_samples(bucket: InMemory) -> None:
    (made,) = put(bucket, (0, RESULT))
    assert len(samples_of(bucket.objects[made.place.s3_key])) == 0


@pytest.mark.parametrize("refuses", ["begin", "part 2", "part 1", "complete"])
def test_an_upload_that_fails_says_whose_audio_is_kept_and_the_others_go_on(
    bucket: InMemory, refuses: str, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.refuses = refuses
    failed, made = put(bucket, (0, LONG), (0, LONG), (0, RESULT), (1, chunk()), (1, RESULT))
    assert type(failed) is BucketUnreachable
    assert failed.message == "too busy; the audio is kept as that of job id-0"
    assert isinstance(made, Uploaded)
    assert list(bucket.objects) == [made.place.s3_key]
    assert bucket.asked.count(refuses) == 1
    assert [record.__dict__["job_id"] for record in caplog.records if record.levelname == "WARNING"] == [
        "id-0"
    ]


class Meeting(InMemory):
    """Takes a whole object once another one is on its way too."""

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2, timeout=30)

    def put(self, key: str, body: bytes, content_type: str) -> None:
        self._both.wait()
        super().put(key, body, content_type)


def test_the_end_of_one_is_sent_while_the_next_one_is_made() -> None:
    bucket = Meeting()
    speech = [(index, what) for index in range(2) for what in (chunk(level=index), RESULT)]
    made = put(bucket, *speech, (2, BackendFailed("no breath")))
    assert [getattr(each, "job_id", "none") for each in made] == ["id-0", "id-1", "none"]
    assert len(bucket.objects) == 2


def test_no_more_than_a_few_are_sent_at_once() -> None:
    class Counting(InMemory):
        now = most = 0

        def put(self, key: str, body: bytes, content_type: str) -> None:
            with lock:
                self.now += 1
                self.most = max(self.most, self.now)
            super().put(key, body, content_type)
            with lock:
                self.now -= 1

    bucket, lock = Counting(), threading.Lock()
    speech = [(index, what) for index in range(30) for what in (chunk(0.01), RESULT)]
    asked = Asked(*speech)
    asked.job_ids = [f"id-{index}" for index in range(30)]
    destination = Destination(bucket, "wav", "", [None] * 30, TODAY)  # type: ignore[arg-type]
    made = list(uploaded(asked, destination))  # type: ignore[arg-type]
    assert [each.job_id for each in made if isinstance(each, Uploaded)] == asked.job_ids
    assert 1 <= bucket.most <= AT_ONCE


def test_what_was_there_before_the_request_ended_early_is_told_first(bucket: InMemory) -> None:
    asked = Asked((0, chunk()), (0, RESULT), (1, LONG), DeadlineExceeded("too late"))
    destination = Destination(bucket, "wav", "", [None] * 3, TODAY)  # type: ignore[arg-type]
    told: list[Any] = []

    def tell() -> None:
        told.extend(getattr(each, "job_id", None) for each in uploaded(asked, destination))  # type: ignore[arg-type]

    with pytest.raises(DeadlineExceeded):
        tell()
    assert told == ["id-0"]
    assert bucket.asked.count("abort") == 1


def test_one_that_is_there_is_told_while_the_next_one_is_waited_for(bucket: InMemory) -> None:
    told: list[Any] = []

    class Silent(Asked):
        def attempts(self) -> Iterator[tuple[int, Made]]:
            yield from super().attempts()
            for _ in range(3_000):
                if told:
                    break
                threading.Event().wait(0.01)
                yield 1, HowFar(None)
            assert told
            yield 1, RESULT

    destination = Destination(bucket, "wav", "", [None] * 3, TODAY)  # type: ignore[arg-type]
    outcomes = uploaded(Silent((0, chunk()), (0, RESULT)), destination)  # type: ignore[arg-type]
    told.append(next(outcomes))
    assert told[0].job_id == "id-0"
    assert [each.job_id for each in outcomes] == ["id-1"]  # type: ignore[union-attr]


def test_who_goes_away_leaves_nothing_of_what_is_not_whole(bucket: InMemory) -> None:
    with pytest.raises(JobCancelled):
        put(bucket, (0, LONG), JobCancelled("the client went away"))
    assert bucket.asked == ["begin", "part 2", "part 3", "abort"]


class WhileTheNext(InMemory):
    """Takes a whole object once a long one is begun."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = threading.Event()

    def begin(self, key: str, content_type: str) -> str:
        self._begun.set()
        return super().begin(key, content_type)

    def put(self, key: str, body: bytes, content_type: str) -> None:
        assert self._begun.wait(30)
        super().put(key, body, content_type)


def test_outcomes_that_nobody_asks_for_any_more_are_aborted() -> None:
    bucket = WhileTheNext()
    destination = Destination(bucket, "wav", "", [None] * 3, TODAY)  # type: ignore[arg-type]
    still = [(1, HowFar(None))] * 1_000_000
    asked = Asked((0, chunk()), (0, RESULT), (1, LONG), *still)
    outcomes = uploaded(asked, destination)  # type: ignore[arg-type]
    next(outcomes)
    outcomes.close()
    assert list(bucket.objects) == ["2026-11-30/id-0.wav"]
    assert bucket.asked[-1] == "abort"


# what was made before


def put_whole(bucket: InMemory, size: int, connected: bool = True) -> bytes:
    audio = bytes(range(256)) * (size // 256)
    destination = Destination(bucket, "pcm", "", [None], TODAY)  # type: ignore[arg-type]
    place = to_bucket.put(io.BytesIO(audio), destination, "name", lambda: connected, "id-0")
    assert place.s3_key == "2026-11-30/name.pcm"
    return audio


@pytest.mark.parametrize(
    ("size", "asked"),
    [(256, ["put"]), (3 * PART_BYTES, ["begin", "part 2", "part 3", "part 1", "complete"])],
)
def test_audio_that_is_there_is_put_as_it_is(bucket: InMemory, size: int, asked: list[str]) -> None:
    audio = put_whole(bucket, size)
    assert bucket.objects == {"2026-11-30/name.pcm": audio}
    assert bucket.asked == asked


@pytest.mark.parametrize("refuses", ["begin", "part 3", "part 1", "complete"])
def test_audio_that_is_there_and_is_not_taken_leaves_no_parts(bucket: InMemory, refuses: str) -> None:
    bucket.refuses = refuses
    with pytest.raises(BucketUnreachable, match="the audio is kept as that of job id-0"):
        put_whole(bucket, 3 * PART_BYTES)
    assert bucket.asked.count("abort") == (refuses != "begin")
    assert bucket.objects == {}


def test_audio_that_is_there_is_not_put_for_who_has_gone(bucket: InMemory) -> None:
    with pytest.raises(JobCancelled):
        put_whole(bucket, 3 * PART_BYTES, connected=False)
    assert bucket.asked == []
