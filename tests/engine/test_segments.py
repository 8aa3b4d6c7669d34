"""The segments of a transcript, as they are heard and from any one on: kept while its job runs."""

from __future__ import annotations

import pytest

from servers.engine.runs import MOST_SEGMENTS
from servers.engine.submission import Caller
from servers.jobs.stream_events import Ended, Heard, Position, Waiting
from servers.speech import Segment
from tests.engine.doubles import Rig, ToyRunner

NOTHING = Position(attempt=0)
ONE, TWO, THREE = (Segment(start=at, end=at + 1, text=f"The {at}th.") for at in range(3))


@pytest.fixture
def runner(rig: Rig) -> ToyRunner:
    return rig.loaded()


@pytest.fixture
def job_id(rig: Rig, runner: ToyRunner) -> str:
    job_id = rig.submit(payload={"task": "transcribe", "audio_path": "/a.wav"})
    rig.step()
    return job_id


def say(rig: Rig, runner: ToyRunner, *segments: Segment) -> None:
    for segment in segments:
        rig.say(runner, "segment", run=rig.run().number, index=0, segment=segment.model_dump(mode="json"))


def heard(rig: Rig, job_id: str, after: Position = NOTHING):
    return rig.playback.heard(7, job_id, Caller(), after, lambda: True)


def test_segments_are_told_as_they_are_heard_with_how_far_the_job_is(rig, runner, job_id):
    rig.say(runner, "progress", run=rig.run().number, index=0, fraction=0.25)
    say(rig, runner, ONE)
    events = heard(rig, job_id)
    assert [next(events), next(events)] == [Heard(7, 1, 0, (ONE,)), Waiting(0.25)]
    say(rig, runner, TWO, THREE)
    assert next(events) == Heard(7, 1, 1, (TWO, THREE))


def test_who_comes_late_has_them_from_the_start_and_who_comes_back_from_where_they_were(rig, runner, job_id):
    say(rig, runner, ONE, TWO, THREE)
    assert next(heard(rig, job_id)) == Heard(7, 1, 0, (ONE, TWO, THREE))
    assert next(heard(rig, job_id, Position(attempt=1, segments=2))) == Heard(7, 1, 2, (THREE,))
    assert next(heard(rig, job_id, Position(attempt=9, segments=2))).start == 0


def test_after_the_end_there_is_its_result_alone(rig, runner, job_id):
    say(rig, runner, ONE)
    events = heard(rig, job_id)
    next(events)
    rig.say(runner, "result", run=rig.run().number, index=0, result={"text": "The 0th."})
    *_, end = events
    assert isinstance(end, Ended)
    assert (end.index, end.job["result"]["text"]) == (7, "The 0th.")
    (end,) = heard(rig, job_id)
    assert isinstance(end, Ended)


def test_a_job_that_is_begun_again_is_heard_from_its_start_under_another_number(rig, runner, job_id):
    say(rig, runner, ONE, TWO)
    events = heard(rig, job_id)
    assert next(events).end == 2
    runner.is_killed = True
    rig.say(runner, "gone")
    again = rig.ready(rig.runner())
    say(rig, again, TWO)
    assert next(event for event in events if isinstance(event, Heard)) == Heard(7, 2, 0, (TWO,))


def test_what_is_heard_of_a_job_that_was_cancelled_is_kept_nowhere(rig, runner, job_id):
    number = rig.run().number
    rig.loop.cancel(job_id)
    rig.step()
    rig.say(runner, "segment", run=number, index=0, segment=ONE.model_dump())
    assert rig.runs.live == {}
    (end,) = heard(rig, job_id)
    assert end.job["status"] == "cancelled"


def test_no_more_are_kept_than_there_is_room_for(rig, runner, job_id):
    say(rig, runner, ONE)
    rig.runs.live[job_id].segments *= MOST_SEGMENTS - 1
    say(rig, runner, TWO, THREE)
    assert next(heard(rig, job_id, Position(attempt=1, segments=MOST_SEGMENTS - 1))).segments == (TWO,)


def test_a_segment_of_a_job_that_speaks_is_the_models_error(rig, runner):
    job_id = rig.submit()
    rig.step()
    say(rig, runner, ONE)
    assert rig.job(job_id).error["code"] == "backend_failed"
