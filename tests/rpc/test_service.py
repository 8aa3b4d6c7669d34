"""A worker, from the side of its clients: real speech by espeak-ng through the engine's queue."""

from __future__ import annotations

import json
import time

import grpc
import pytest

from servers.rpc import skylark_pb2 as wire
from tests.rpc.worker import CALL_S, Talk, Worker, metadata, refusal

FRAME_BYTES = 1920
TEXT = "Good morning, and welcome. The clocks were striking thirteen. Nobody was there."
WORDS = TEXT.split()


def test_one_text_is_spoken_in_numbered_frames_with_its_words(worker: Worker) -> None:
    talk = worker.talk(worker.session(voice="en")).say(TEXT).end_texts().until_ended()
    assert talk.numbers() == list(range(len(talk.frames)))
    assert {len(frame.audio) for frame in talk.frames} == {FRAME_BYTES}
    assert [frame.last for frame in talk.frames] == [False] * (len(talk.frames) - 1) + [True]
    last = talk.frames[-1]
    assert 0 <= last.padding < FRAME_BYTES // 2
    silence = last.audio[FRAME_BYTES - 2 * last.padding :]
    assert silence == bytes(len(silence))
    assert talk.words() == WORDS


def test_a_word_is_told_with_the_frame_that_it_begins_in_once_it_is_known(worker: Worker) -> None:
    talk = worker.talk(worker.session(voice="en")).say(TEXT).end_texts().until_ended()
    begins = [(word.start_ms // 20, frame.number) for frame in talk.frames for word in frame.words]
    starts = [start for start, _ in begins]
    assert starts == sorted(set(starts))
    assert len(starts) == len(WORDS)
    assert all(start <= told for start, told in begins)


def test_text_that_comes_in_pieces_is_the_same_speech(worker: Worker) -> None:
    whole = worker.talk(worker.session(voice="en")).say(TEXT).end_texts().until_ended()
    talk = worker.talk(worker.session(voice="en"))
    for start in range(0, len(TEXT), 7):
        talk.say(TEXT[start : start + 7])
    talk.end_texts().until_ended()
    assert talk.words() == WORDS
    assert talk.numbers() == whole.numbers()


def test_a_sentence_is_spoken_before_the_next_one_is_said(worker: Worker) -> None:
    talk = worker.talk(worker.session(voice="en")).say("Good morning. How").until_frames(10)
    assert not any(frame.last for frame in talk.frames)
    talk.say(" are you?").end_texts().until_ended()
    assert talk.words() == ["Good", "morning.", "How", "are", "you?"]


def test_a_flush_ends_an_utterance_and_the_numbers_go_on(worker: Worker) -> None:
    talk = worker.talk(worker.session(voice="en"))
    talk.say("Good morning", flush=True).until_utterances(1)
    talk.say("and welcome", flush=True).until_utterances(2).end_texts().until_ended()
    assert talk.numbers() == list(range(len(talk.frames)))
    assert [frame.utterance for frame in talk.frames if frame.last] == [0, 1]
    assert talk.words() == ["Good", "morning", "and", "welcome"]
    second = [word for frame in talk.frames if frame.utterance == 1 for word in frame.words]
    assert second[0].start_ms < 200


def test_nothing_to_say_is_no_frame(worker: Worker) -> None:
    talk = worker.talk(worker.session(voice="en")).say("  … ", flush=True).flush().end_texts().until_ended()
    assert talk.frames == []


def test_a_dropped_stream_goes_on_at_any_frame_without_a_repeated_or_a_missing_one(worker: Worker) -> None:
    session = worker.session(voice="en")
    first = worker.talk(session).say(TEXT).say(" And so on", flush=True).until_frames(40).drop()
    second = worker.talk(session, from_frame=23).end_texts().until_ended()
    assert second.opened is not None
    assert (second.opened.from_frame, second.opened.texts) == (23, 2)
    assert second.numbers() == list(range(23, second.numbers()[-1] + 1))
    heard = first.samples()[: 23 * 960].tobytes() + second.samples().tobytes()
    again = worker.talk(session, from_frame=0).end_texts().until_ended()
    assert heard == again.samples().tobytes()
    assert again.words() == [*WORDS, "And", "so", "on"]


def test_a_stream_goes_on_in_a_later_utterance(worker: Worker) -> None:
    session = worker.session(voice="en")
    first = worker.talk(session).say("One.", flush=True).say("Two.", flush=True).until_utterances(2).drop()
    begin = next(frame.number for frame in first.frames if frame.utterance == 1)
    second = worker.talk(session, from_frame=begin + 3).end_texts().until_ended()
    assert second.numbers() == list(range(begin + 3, first.numbers()[-1] + 1))
    assert second.samples().tobytes() == first.samples()[(begin + 3) * 960 :].tobytes()


def test_a_stream_that_names_no_frame_goes_on_after_the_last_that_was_sent(worker: Worker) -> None:
    session = worker.session(voice="en")
    first = worker.talk(session).say("One.", flush=True).until_utterances(1).drop()
    second = worker.talk(session).say("Two.").end_texts().until_ended()
    assert second.numbers()[0] == first.numbers()[-1] + 1


def test_a_second_stream_takes_the_place_of_the_first(worker: Worker) -> None:
    session = worker.session(voice="en")
    first = worker.talk(session).say("One. ").until_frames(5)
    second = worker.talk(session, from_frame=0).end_texts().until_ended()
    assert second.words() == ["One."]
    refusal(first.until_ended, grpc.StatusCode.ABORTED)


def test_what_is_paused_sends_no_frame_until_it_is_resumed(worker: Worker) -> None:
    session = worker.session(voice="en")
    assert worker.control(session, "PAUSE").state == wire.PAUSED
    talk = worker.talk(session).say(TEXT).end_texts()
    paused = worker.control(session, "PAUSE")
    assert paused.next_frame == 0
    worker.control(session, "RESUME")
    talk.until_frames(20)
    paused = worker.control(session, "PAUSE")
    talk.until_frames(paused.next_frame)
    assert worker.control(session, "PAUSE").next_frame == paused.next_frame == len(talk.frames)
    assert worker.control(session, "RESUME").state == wire.SPEAKING
    assert talk.until_ended().words() == WORDS
    assert talk.numbers() == list(range(len(talk.frames)))


def test_no_frame_comes_earlier_before_it_is_heard_than_the_stream_wants(worker: Worker) -> None:
    talk = Talk(worker.stub, worker.session(), None, ahead_ms=200)
    said_at = time.monotonic()
    talk.say("One, two, three, four, five, six, seven, eight, nine, ten.").end_texts().until_ended()
    assert len(talk.frames) > 50
    for number, came_at in enumerate(talk.came_at):
        assert came_at >= said_at + 0.02 * (number + 1) - 0.2


def test_a_stop_drops_what_was_not_sent_and_cancels_its_jobs(worker: Worker) -> None:
    session = worker.session(voice="en")
    worker.control(session, "PAUSE")
    watched = worker.stub.WatchSession(wire.WatchSessionRequest(session_id=session), timeout=CALL_S)
    assert next(watched).state == wire.PAUSED
    talk = worker.talk(session).say(TEXT).say(" Pending words")
    next(event for event in watched if event.kind == wire.SessionEvent.UTTERANCE_STARTED)
    stopped = worker.control(session, "STOP")
    assert (stopped.state, stopped.next_frame) == (wire.IDLE, 0)
    talk.until(lambda it: it.stops, "the stop is told")
    assert worker.engine.client.queue()["queued"] == []
    talk.say("Something else.").end_texts().until_ended()
    assert talk.words() == ["Something", "else."]
    assert talk.numbers() == list(range(len(talk.frames)))


def test_whoever_watches_hears_what_becomes_of_a_session(worker: Worker) -> None:
    session = worker.session(voice="en")
    watched = worker.stub.WatchSession(wire.WatchSessionRequest(session_id=session), timeout=CALL_S)
    assert next(watched).state == wire.IDLE
    talk = worker.talk(session).say("One.", flush=True).until_utterances(1)
    worker.stub.EndSession(wire.EndSessionRequest(session_id=session))
    talk.until_ended()
    kinds = [wire.SessionEvent.Kind.Name(event.kind) for event in watched]
    assert [kind for kind in kinds if kind != "STATE"] == [
        "CONNECTED",
        "UTTERANCE_STARTED",
        "UTTERANCE_ENDED",
    ]


def test_an_ended_session_is_gone_and_its_name_is_free(worker: Worker) -> None:
    worker.session(session_id="agent-7", voice="en")
    ended = worker.stub.EndSession(wire.EndSessionRequest(session_id="agent-7"))
    assert ended.frames == 0
    error = refusal(worker.talk("agent-7").until_ended, grpc.StatusCode.NOT_FOUND)
    assert "has ended, or was never started" in error.details()
    talk = worker.talk(worker.session(session_id="agent-7", voice="de")).say("Ja.").end_texts().until_ended()
    assert talk.words() == ["Ja."]
    worker.stub.EndSession(wire.EndSessionRequest(session_id="agent-7"))
    assert list(worker.records.glob("agent-7*")) == []


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"voice": "nobody"}, grpc.StatusCode.NOT_FOUND, "voice"),
        ({"model": "no-model"}, grpc.StatusCode.NOT_FOUND, "model"),
        ({"session_id": "../etc/passwd"}, grpc.StatusCode.INVALID_ARGUMENT, "session_id"),
        ({"loudness": wire.Loudness(target=3)}, grpc.StatusCode.INVALID_ARGUMENT, "loudness.target"),
        ({"speed": 40.0}, grpc.StatusCode.INVALID_ARGUMENT, "speed"),
        ({"priority": 4_000_000_000}, grpc.StatusCode.INVALID_ARGUMENT, "priority"),
    ],
)
def test_a_start_that_cannot_be_names_the_field(worker: Worker, fields, code, field) -> None:
    error = refusal(lambda: worker.session(**fields), code)
    assert metadata(error)["error-param"] == field


def test_a_name_that_is_taken_is_said_so(worker: Worker) -> None:
    worker.session(session_id="twice", voice="en")
    refusal(lambda: worker.session(session_id="twice", voice="en"), grpc.StatusCode.FAILED_PRECONDITION)


def test_a_frame_that_was_not_sent_yet_cannot_be_had(worker: Worker) -> None:
    error = refusal(worker.talk(worker.session(voice="en"), 5).until_ended, grpc.StatusCode.OUT_OF_RANGE)
    assert "the next one is 0" in error.details()


def test_a_stream_begins_with_its_opening(worker: Worker) -> None:
    said = iter([wire.SynthesizeRequest(text=wire.Text(text="Hello"))])
    error = refusal(
        lambda: list(worker.stub.Synthesize(said, timeout=CALL_S)), grpc.StatusCode.INVALID_ARGUMENT
    )
    assert metadata(error)["error-param"] == "opening"


def test_a_text_of_a_megabyte_is_refused_and_the_session_goes_on(worker: Worker) -> None:
    session = worker.session(voice="en")
    error = refusal(worker.talk(session).say("word " * 210_000).until_ended, grpc.StatusCode.INVALID_ARGUMENT)
    assert metadata(error)["error-param"] == "text.text"
    assert "at most 20000" in error.details()
    assert worker.talk(session).say("Well.").end_texts().until_ended().words() == ["Well."]


def test_a_control_without_an_action_is_refused(worker: Worker) -> None:
    session = worker.session(voice="en")
    refusal(lambda: worker.control(session, "UNSPECIFIED"), grpc.StatusCode.INVALID_ARGUMENT)
    (line,) = [each for each in worker.process.log.read_text().splitlines() if "refused" in each][-1:]
    assert json.loads(line)["session_id"] == session


def test_models_are_listed_loaded_and_unloaded_unless_a_session_holds_them(worker: Worker) -> None:
    listed = worker.stub.ListModels(wire.ListModelsRequest()).models
    espeak = next(model for model in listed if model.model == "espeak/espeak-ng")
    assert espeak.is_default
    assert "en" in espeak.voices
    assert worker.stub.LoadModel(wire.LoadModelRequest(model="espeak-ng")).state == "ready"


def test_the_capabilities_are_those_of_the_models(worker: Worker) -> None:
    told = worker.stub.GetCapabilities(wire.GetCapabilitiesRequest())
    assert (told.worker, told.sample_rate, told.frame_ms) == ("tts-worker-0", 48_000, 20)
    assert told.streaming
    assert told.cpu_ok
    assert "en" in told.languages
    assert told.max_concurrent_sessions == 40
