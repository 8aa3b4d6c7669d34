from __future__ import annotations

import json

import pytest

from servers.errors import EngineUnavailable
from servers.jobs.stream_events import (
    Accepted,
    AudioChunk,
    Broken,
    Ended,
    Event,
    Heard,
    Waiting,
    from_line,
    to_line,
)
from servers.speech import Segment, Word

WORD = Word(word="so", start=0.0, end=0.1)
LINES: list[tuple[Event, str]] = [
    (Accepted(("a", "b")), '{"event":"accepted","job_ids":["a","b"]}'),
    (
        AudioChunk(1, 2, 4800, 22050, b"\x01\x00\xff\xff", (WORD,)),
        '{"event":"audio","index":1,"attempt":2,"from":4800,"sample_rate":22050,"audio":"AQD//w==","words":'
        '[{"word":"so","start":0.0,"end":0.1,"score":null,"interpolated":false,"speaker":null}]}',
    ),
    (
        Heard(1, 2, 7, (Segment(start=0.0, end=0.1, text="so", words=(WORD,), no_speech_prob=0.5),)),
        '{"event":"segments","index":1,"attempt":2,"from":7,"segments":[{"start":0.0,"end":0.1,"text":"so","words":'
        '[{"word":"so","start":0.0,"end":0.1,"score":null,"interpolated":false,"speaker":null}],"speaker":null,'
        '"avg_logprob":null,"no_speech_prob":0.5,"compression_ratio":null}]}',
    ),
    (Ended(0, {"id": "a"}, 2), '{"event":"ended","index":0,"attempt":2,"job":{"id":"a"}}'),
    (Waiting(), '{"event":"waiting"}'),
]


@pytest.mark.parametrize(("event", "line"), LINES)
def test_each_event_is_one_line_of_json(event: Event, line: str) -> None:
    assert to_line(event) == line.encode() + b"\n"
    assert from_line(to_line(event)) == event


def test_a_broken_stream_says_why() -> None:
    read = from_line(to_line(Broken(EngineUnavailable("stopping", retry_after_s=5.0))))
    assert isinstance(read, Broken)
    assert isinstance(read.error, EngineUnavailable)
    assert (read.error.message, read.error.retry_after_s) == ("stopping", 5.0)


def test_what_was_heard_ends_after_its_last_segment() -> None:
    assert Heard(0, 1, 3, (Segment(start=0.0, end=0.1, text="so"),)).end == 4


def test_a_chunk_ends_after_its_last_sample() -> None:
    assert AudioChunk(0, 1, 100, 22050, bytes(20)).end == 110


def test_what_nobody_writes_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown event"):
        from_line(json.dumps({"event": "surprise"}).encode())
