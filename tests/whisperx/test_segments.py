"""A transcript that is sent while it is heard: as lines, and as OpenAI's events."""

from __future__ import annotations

import io
import json
from collections.abc import Generator
from typing import Any

import pytest

from servers.jobs.stream_events import Accepted, Event, Heard, Waiting
from servers.speech import Segment, Word
from servers.whisperx.app import create_app
from tests.jobs.stand_in_engine import StandInEngine, transcript
from tests.web import fixtures
from tests.whisperx.test_transcripts import WAV

configure = fixtures.configure
LINES = {"Accept": "application/x-ndjson"}
ONE = Segment(start=0.0, end=1.0, text="So it is.", words=(Word(word="So", start=0.0, end=0.5),))
TWO = Segment(start=1.0, end=2.0, text="It is so.")
THREE = Segment(start=2.0, end=3.0, text="Is it?")
OTHER = Segment(start=0.0, end=1.0, text="Sow it is.")


def result(*segments: Segment) -> dict[str, Any]:
    text = " ".join(segment.text for segment in segments)
    return transcript({"text": text}) | {"segments": [segment.model_dump() for segment in segments]}


class HearingEngine(StandInEngine):
    """Tells what the test says of a job once it is accepted, to those who want segments."""

    told: tuple[Event, ...] = ()
    asked: bool | None = None

    def stream(self, *arguments: Any, **options: Any) -> Generator[Event, None, None]:
        self.asked = options["segments"]
        for event in super().stream(*arguments, **options):
            yield event
            if isinstance(event, Accepted) and self.asked:
                yield from self.told


@pytest.fixture
def engine(configure: object) -> HearingEngine:
    return HearingEngine(lambda _: result(ONE, TWO, THREE))


def posted(engine: HearingEngine, path: str, headers: dict[str, str] | None = None, **fields: str) -> Any:
    form = {"file": (io.BytesIO(WAV), "a.wav")} | fields
    kind = "multipart/form-data"
    return create_app(engine).test_client().post(path, data=form, content_type=kind, headers=headers)


def lines(engine: HearingEngine) -> list[dict[str, Any]]:
    return [json.loads(line) for line in posted(engine, "/transcribe", LINES).data.splitlines()]


def events(engine: HearingEngine, **fields: str) -> list[dict[str, Any]]:
    reply = posted(engine, "/v1/audio/transcriptions", model="whisper-1", stream="true", **fields)
    return [json.loads(each.removeprefix(b"data: ")) for each in reply.data.strip().split(b"\n\n")]


def deltas(sent: list[dict[str, Any]]) -> list[str]:
    return [each["delta"] for each in sent if each["type"] == "transcript.text.delta"]


def test_each_segment_is_a_line_of_progress_before_the_result(engine: HearingEngine) -> None:
    engine.told = (Waiting(None), Heard(0, 1, 0, (ONE, TWO)), Waiting(0.5), Heard(0, 1, 2, (THREE,)))
    *told, last = lines(engine)
    segments = [each.model_dump(mode="json") for each in (ONE, TWO, THREE)]
    assert told == [
        {"progress": None},
        {"progress": None, "segment_index": 0, "segment": segments[0]},
        {"progress": None, "segment_index": 1, "segment": segments[1]},
        {"progress": 0.5},
        {"progress": 0.5, "segment_index": 2, "segment": segments[2]},
    ]
    assert last["result"]["segments"] == segments


def test_where_a_job_is_begun_again_its_segments_are_counted_from_0_again(engine: HearingEngine) -> None:
    engine.told = (Heard(0, 1, 0, (ONE, TWO)), Heard(0, 2, 0, (ONE,)))
    assert [line.get("segment_index") for line in lines(engine)] == [0, 1, 0, None]


def test_who_wants_no_lines_is_told_no_segments(engine: HearingEngine) -> None:
    assert posted(engine, "/transcribe").json["text"] == "So it is. It is so. Is it?"
    assert engine.asked is False


def test_openais_clients_are_sent_the_text_as_it_is_heard_and_the_rest_of_it_at_the_end(
    engine: HearingEngine,
) -> None:
    engine.told = (Heard(0, 1, 0, (ONE,)), Waiting(0.5), Heard(0, 1, 1, (TWO,)))
    *told, done = events(engine)
    assert deltas(told) == ["So it is.", " It is so.", " Is it?"]
    assert (done["type"], done["text"]) == ("transcript.text.done", "".join(deltas(told)))


def test_of_what_is_heard_a_second_time_only_what_is_new_is_sent(engine: HearingEngine) -> None:
    engine.told = (Heard(0, 1, 0, (ONE, TWO)), Heard(0, 2, 0, (ONE, TWO)))
    assert deltas(events(engine)) == ["So it is.", " It is so.", " Is it?"]


def test_text_that_contradicts_what_was_sent_ends_the_stream(engine: HearingEngine) -> None:
    engine.told = (Heard(0, 1, 0, (ONE, TWO)), Heard(0, 2, 0, (OTHER,)))
    *told, last = events(engine)
    assert deltas(told) == ["So it is.", " It is so."]
    assert last["type"] == "error"
    assert "ask for it again" in last["error"]["message"]


def test_who_speaks_is_told_once_it_is_known(engine: HearingEngine) -> None:
    engine.outcome = lambda _: result(*(each.model_copy(update={"speaker": "A"}) for each in (ONE, TWO)))
    engine.told = (Heard(0, 1, 0, (ONE,)),)
    told = events(engine, response_format="diarized_json")
    assert [each["type"].removeprefix("transcript.text.") for each in told] == [
        "delta",
        "segment",
        "segment",
        "delta",
        "done",
    ]
    assert told[1]["speaker"] == "A"


@pytest.mark.parametrize("read", [0, 1])
def test_who_leaves_in_the_middle_has_the_job_cancelled(engine: HearingEngine, read: int) -> None:
    engine.outcome = lambda _: None
    engine.pass_time = lambda _: None  # type: ignore[method-assign]
    engine.told = (Heard(0, 1, 0, (ONE,)),)
    form = {"file": (io.BytesIO(WAV), "a.wav")}
    client = create_app(engine).test_client()
    kind = "multipart/form-data"
    reply = client.post("/transcribe", data=form, content_type=kind, headers=LINES, buffered=False)
    for _ in range(read):
        assert b"So it is." in next(iter(reply.response))
    reply.close()
    assert engine.cancelled == list(engine.jobs)
