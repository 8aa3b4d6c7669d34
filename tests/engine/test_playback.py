"""The audio of jobs while it is made and afterwards: from any sample, over any number of attempts."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from servers.engine.submission import Caller
from servers.errors import BackendFailed, Conflict, EngineUnavailable, JobCancelled, NotFound
from servers.jobs.stream_events import AudioChunk, Ended, Position, Waiting
from tests.engine.doubles import Rig, ToyRunner

NOTHING = Position(attempt=0, samples=0)


def pcm(start: int, count: int) -> bytes:
    return np.arange(start, start + count, dtype="<i2").tobytes()


def word(text: str, start: float, end: float) -> dict:
    return {"word": text, "start": start, "end": end, "score": None}


@pytest.fixture
def runner(rig: Rig) -> ToyRunner:
    return rig.loaded()


@pytest.fixture
def job_id(rig: Rig, runner: ToyRunner) -> str:
    job_id = rig.submit()
    rig.step()
    return job_id


def play(rig: Rig, job_id: str, start: int = 0):
    return rig.playback.play(job_id, Caller(), start, lambda: True)


def stream(rig: Rig, job_id: str, after: Position = NOTHING, connected=lambda: True):
    return rig.playback.stream(7, job_id, Caller(), after, connected)


def test_audio_is_heard_as_it_is_made(rig, runner, job_id):
    rig.speak(runner, pcm=pcm(0, 50))
    sound = play(rig, job_id)
    assert (sound.sample_rate, next(sound.chunks)) == (16_000, pcm(0, 50))
    rig.speak(runner, pcm=pcm(50, 30))
    assert next(sound.chunks) == pcm(50, 30)


def test_audio_is_heard_from_a_sample_on_and_to_its_end(rig, runner, job_id):
    rig.finish(runner, 0)
    assert len(b"".join(play(rig, job_id).chunks)) == 200
    assert len(b"".join(play(rig, job_id, start=90).chunks)) == 20
    assert b"".join(play(rig, job_id, start=1000).chunks) == b""


def test_a_stream_that_is_half_heard_breaks_when_the_attempt_does(rig, runner, job_id):
    rig.speak(runner)
    sound = play(rig, job_id)
    next(sound.chunks)
    rig.say(runner, "gone")
    with pytest.raises(EngineUnavailable):
        next(sound.chunks)


def test_the_audio_of_a_failed_job_is_its_error(rig, runner, job_id):
    rig.fail(runner, BackendFailed("it cannot"))
    with pytest.raises(BackendFailed, match="it cannot"):
        play(rig, job_id)


def test_the_audio_of_a_cancelled_job_is_that_it_was(rig, job_id):
    rig.loop.cancel(job_id)
    rig.step()
    with pytest.raises(JobCancelled):
        play(rig, job_id)


def test_a_job_that_makes_no_audio_says_so(rig):
    runner = rig.loaded("b")
    training = rig.train(model="b")
    rig.step()
    rig.say(runner, "result", run=rig.run("b").number, index=0, result={})
    with pytest.raises(Conflict, match="makes no audio"):
        play(rig, training)


def test_audio_that_was_swept_away_is_not_there(rig, runner, job_id):
    rig.finish(runner, 0)
    rig.results.delete([job_id])
    with pytest.raises(NotFound, match="no longer kept"):
        play(rig, job_id)


def test_a_stream_tells_the_audio_and_then_the_end(rig, runner, job_id):
    rig.speak(runner, pcm=pcm(0, 50))
    events = stream(rig, job_id)
    assert next(events) == AudioChunk(7, 1, 0, 16_000, pcm(0, 50))
    rig.speak(runner, pcm=pcm(50, 50))
    rig.say(runner, "result", run=rig.run().number, index=0, result={"words": []})
    rest = list(events)
    assert rest[0] == AudioChunk(7, 1, 50, 16_000, pcm(50, 50))
    assert isinstance(rest[1], Ended)
    assert (rest[1].index, rest[1].job["status"]) == (7, "done")
    assert len(rest) == 2


def test_words_come_with_the_samples_that_they_became_known_with(rig, runner, job_id):
    rig.speak(runner, pcm=pcm(0, 50), words=[word("one", 0.0, 0.002)])
    rig.speak(runner, pcm=pcm(50, 50), words=[word("two", 0.003, 0.006)])
    events = list(islice(stream(rig, job_id), 1))
    assert [w.word for w in events[0].words] == ["one", "two"]
    later = next(stream(rig, job_id, after=Position(attempt=1, samples=50)))
    assert [w.word for w in later.words] == ["two"]


def test_a_stream_of_a_recorded_job_has_its_words_where_they_end(rig, runner, job_id):
    rig.speak(runner, pcm=pcm(0, 100))
    words = [word("one", 0.0, 50 / 16_000), word("two", 60 / 16_000, 100 / 16_000)]
    rig.say(runner, "result", run=rig.run().number, index=0, result={"words": words})
    chunk, end = stream(rig, job_id, after=Position(attempt=1, samples=60))
    assert (chunk.start, [w.word for w in chunk.words]) == (60, ["two"])
    assert isinstance(end, Ended)


def test_a_stream_goes_on_where_it_was_in_the_same_claim_only(rig, runner, job_id):
    rig.speak(runner, pcm=pcm(0, 100))
    assert next(stream(rig, job_id, after=Position(attempt=1, samples=40))).start == 40
    assert next(stream(rig, job_id, after=Position(attempt=9, samples=40))).start == 0


def test_a_job_that_is_begun_again_is_told_from_its_start_under_another_number(rig, runner, job_id):
    rig.speak(runner, pcm=pcm(0, 100))
    events = stream(rig, job_id)
    assert next(events).attempt == 1
    runner.is_killed = True
    rig.say(runner, "gone")
    again = rig.ready(rig.runner())
    rig.speak(again, pcm=pcm(0, 30))
    assert next(events) == AudioChunk(7, 2, 0, 16_000, pcm(0, 30))


def test_a_job_that_was_returned_untried_is_told_under_another_number_too(rig, runner, job_id):
    rig.speak(runner, pcm=pcm(0, 100))
    events = stream(rig, job_id)
    assert next(events).attempt == 1
    rig.say(runner, "end", run=rig.run().number, taken=0)
    assert rig.job(job_id).attempt == 1, "its number has come again"
    rig.speak(runner, pcm=pcm(0, 30))
    assert next(events) == AudioChunk(7, 2, 0, 16_000, pcm(0, 30))


def test_a_stream_of_a_failed_job_ends_with_it(rig, runner, job_id):
    rig.fail(runner, BackendFailed("it cannot"))
    (end,) = stream(rig, job_id)
    assert end.job["error"]["message"] == "it cannot"


def test_a_stream_ends_without_the_job_when_nobody_is_connected_or_the_engine_stops(rig, job_id):
    assert list(stream(rig, job_id, connected=lambda: False)) == []
    rig.news.close()
    assert list(stream(rig, job_id)) == []


def test_while_nothing_comes_a_stream_says_that_it_waits(rig, job_id, monkeypatch):
    monkeypatch.setattr("servers.engine.playback.WAITING_EVERY_S", 0.001)
    assert list(islice(stream(rig, job_id), 2)) == [Waiting(), Waiting()]
