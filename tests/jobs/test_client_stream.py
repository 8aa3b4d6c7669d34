from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servers.errors import EngineUnavailable, QueueFull, UnknownVoice
from servers.jobs.client import AnswerLost, Audio, JobsClient
from servers.jobs.stream_events import (
    Accepted,
    AudioChunk,
    Broken,
    Ended,
    Position,
    Waiting,
    to_line,
)
from servers.speech import Word
from tests.jobs.stand_in_stream import Answer, StandInStream, served

JOBS = [{"model_type": "espeak", "payload": {"text": text}, "idempotency_key": text} for text in ("a", "b")]
EVENTS: list[Accepted | AudioChunk | Ended | Waiting] = [
    Accepted(("1", "2")),
    AudioChunk(0, 1, 0, 22050, bytes(200_000), (Word(word="so", start=0.0, end=0.1),)),
    Waiting(),
    AudioChunk(0, 1, 100_000, 22050, b"\x01\x00"),
    Ended(0, {"id": "1", "status": "done"}),
    Ended(1, {"id": "2", "status": "failed"}),
]
LINES = [to_line(event) for event in EVENTS]


@contextmanager
def playing(
    *answers: Answer, silence_s: float = 60.0, killed: bool = False, data_dir: Path | None = None
) -> Iterator[tuple[JobsClient, StandInStream]]:
    """A client of an engine that gives these answers; the path of a socket has to be short."""
    script = StandInStream(list(answers), ends_properly=not killed)
    with tempfile.TemporaryDirectory() as folder, served(script, Path(folder)) as path:
        client = JobsClient(path, data_dir=data_dir, stream_silence_s=silence_s)
        yield client, script
        client.close()


def test_what_the_engine_tells_comes_in_its_order() -> None:
    with playing(LINES) as (client, engine):
        assert list(client.stream(JOBS, owner="alice")) == EVENTS
    assert engine.bodies == [{"jobs": JOBS, "audio": True}]
    assert engine.headers[0]["path"] == "/jobs/stream"
    assert engine.headers[0]["X-Skylark-Owner"] == "alice"


def test_an_event_is_told_before_the_next_one_comes() -> None:
    with playing([LINES[0], None]) as (client, _engine):
        events = client.stream(JOBS)
        assert next(events) == EVENTS[0]
        events.close()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_may_come_in_any_pieces(size: int) -> None:
    small = EVENTS[:1] + EVENTS[2:]
    data = b"".join(to_line(event) for event in small)
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    with playing(pieces) as (client, _engine):
        assert list(client.stream(JOBS)) == small


def test_what_the_client_has_is_said() -> None:
    with playing(LINES) as (client, engine):
        list(client.stream(JOBS, after=[Position(attempt=2, samples=4800), None]))
    assert engine.bodies[0]["after"] == [{"attempt": 2, "samples": 4800}, None]


def test_a_refusal_is_raised_as_the_error_that_it_was() -> None:
    refusals = [UnknownVoice("no", param="jobs.1.payload.voice"), QueueFull("full", retry_after_s=3.0)]
    with playing(*refusals) as (client, _engine):
        with pytest.raises(UnknownVoice) as caught:
            next(client.stream(JOBS))
        assert caught.value.param == "jobs.1.payload.voice"
        with pytest.raises(QueueFull) as full:
            next(client.stream(JOBS))
        assert full.value.retry_after_s == 3.0


@pytest.mark.parametrize(
    "lines",
    [
        LINES[:3],
        [*LINES[:1], LINES[1][:1000]],
        [LINES[0][:-1]],
        [],
        [*LINES[:3], to_line(Broken(EngineUnavailable("the engine is stopping")))],
    ],
)
@pytest.mark.parametrize("killed", [True, False])
def test_an_engine_that_breaks_off_has_lost_its_answer(lines: list[bytes], killed: bool) -> None:
    """What it told before is not lost with it, and half a line is not read."""
    with playing(lines, killed=killed) as (client, _engine):
        events = client.stream(JOBS)
        whole = sum(line.endswith(b"\n") and b"broken" not in line for line in lines)
        assert [next(events) for _ in range(whole)] == EVENTS[:whole]
        with pytest.raises(AnswerLost):
            next(events)


@pytest.mark.parametrize("told", [0, 2])
def test_an_engine_that_falls_silent_is_noticed(told: int) -> None:
    with playing([*LINES[:told], None], silence_s=0.05) as (client, _engine):
        events = client.stream(JOBS)
        assert [next(events) for _ in range(told)] == EVENTS[:told]
        with pytest.raises(AnswerLost, match="in time"):
            next(events)


def test_an_engine_that_is_not_there_has_accepted_nothing(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="not there") as caught:
        next(JobsClient(tmp_path / "s").stream(JOBS))
    assert not isinstance(caught.value, AnswerLost)


def test_the_client_can_be_used_again_after_a_stream_was_left() -> None:
    with playing([LINES[0], None], LINES) as (client, _engine):
        events = client.stream(JOBS)
        next(events)
        events.close()
        assert list(client.stream(JOBS)) == EVENTS


DONE = {"id": "1", "status": "done", "result": {"sample_rate": 8_000, "samples": 2}}


def test_audio_that_need_not_be_live_comes_whole_before_the_end_from_the_file_where_it_is_at_hand(
    tmp_path: Path,
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "1.3.s16").write_bytes(b"\x01\x00\x02\x00")
    ended = Ended(0, DONE, 3)
    with playing([to_line(Accepted(("1",))), to_line(ended)], data_dir=tmp_path) as (client, engine):
        events = list(client.stream(JOBS[:1], live=False))
    assert events == [Accepted(("1",)), AudioChunk(0, 3, 0, 8_000, b"\x01\x00\x02\x00"), ended]
    assert engine.bodies == [{"jobs": JOBS[:1], "audio": False}]


def test_where_the_file_is_not_at_hand_the_audio_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    @contextmanager
    def audio(job_id: str) -> Iterator[Audio]:
        asked.append(job_id)
        yield Audio(8_000, iter([b"\x01\x00", b"\x02\x00"]))

    with playing([to_line(Accepted(("1",))), to_line(Ended(0, DONE))], data_dir=tmp_path) as (client, _):
        monkeypatch.setattr(client, "audio", audio)
        chunk = list(client.stream(JOBS[:1], live=False))[1]
    assert (asked, chunk) == (["1"], AudioChunk(0, 1, 0, 8_000, b"\x01\x00\x02\x00"))


def test_a_job_that_failed_or_makes_no_audio_has_none(tmp_path: Path) -> None:
    told = [Accepted(("1", "2")), Ended(0, {"id": "1", "status": "failed", "result": None})]
    told.append(Ended(1, {"id": "2", "status": "done", "result": {"text": "so"}}))
    with playing([to_line(event) for event in told], data_dir=tmp_path) as (client, _):
        assert list(client.stream(JOBS, live=False)) == told
