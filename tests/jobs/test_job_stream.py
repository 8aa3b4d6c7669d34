"""How a request goes on over several exchanges with the engine, each one a list of events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from servers.catalog import EXAMPLE, Catalog
from servers.errors import EngineUnavailable, JobCancelled, RunnerCrashed, SkylarkError
from servers.jobs.client import AnswerLost
from servers.jobs.job_stream import RETRY_S
from servers.jobs.request import BegunAgain, Done, HowFar, Item, Request, Requester
from servers.jobs.requests import QueueOptions, Requests
from servers.jobs.stream_events import Accepted, AudioChunk, Ended, Heard, Position, Waiting
from servers.settings import Limits, Tts
from servers.speech import Chunk, Segment, Word
from tests.jobs.stand_in_engine import NO_VOICES, Event, ScriptedEngine, ended

SO, IT, IS = (Word(word=text, start=start, end=start + 0.1) for start, text in enumerate(("so", "it", "is")))
KILLED = AnswerLost("the engine broke off its answer")
STOPPED = AnswerLost("the engine did not answer in time")
KEYED = Requester(idempotency_key="k")


def pcm(*samples: int) -> bytes:
    return np.array(samples, dtype="<i2").tobytes()


def chunk(index: int, attempt: int, start: int, *samples: int, words: Sequence[Word] = ()) -> AudioChunk:
    return AudioChunk(index, attempt, start, 8000, pcm(*samples), tuple(words))


def done(index: int, job_id: str, samples: int) -> Ended:
    return Ended(index, ended(job_id, {"samples": samples}))


@contextmanager
def asking(
    engine: ScriptedEngine, items: int = 1, requester: Requester = KEYED, pauses: list[float] | None = None
) -> Iterator[Request]:
    """A request of so many items; the clock stands still."""
    pause: Callable[[float], None] = (pauses if pauses is not None else []).append
    catalog = Catalog.load(EXAMPLE)
    requests = Requests(
        engine, catalog, Tts(model_type="espeak"), Limits(), NO_VOICES, clock=lambda: 0.0, pause=pause
    )
    payloads = [Item({"text": str(index)}) for index in range(items)]
    with requests.submit(QueueOptions(), payloads, requester) as request:
        yield request


def listened(request: Request) -> list[tuple[int, Any]]:
    """What a listener gets: samples and words as lists."""
    return [
        (index, (what.samples.tolist(), [word.word for word in what.words]))
        if isinstance(what, Chunk)
        else (index, what)
        for index, what in request.stream()
    ]


def collected(request: Request) -> list[list[int]]:
    """The samples of each job."""
    audio = []
    for each in request.outcomes():
        assert isinstance(each, Done)
        audio.append(np.frombuffer(each.pcm.read(), "<i2").tolist())
    return audio


TWO: list[Event | Exception] = [
    Accepted(("a", "b")),
    chunk(0, 1, 0, 1, 2, words=[SO]),
    Waiting(),
    chunk(0, 1, 2, 3, words=[IT, IS]),
    done(0, "a", 3),
    chunk(1, 1, 0, 4),
    done(1, "b", 1),
]


def test_a_listener_gets_each_chunk_with_its_words_and_the_jobs_in_order() -> None:
    with asking(ScriptedEngine(TWO), 2) as request:
        assert request.job_ids == ["a", "b"]
        assert listened(request) == [
            (0, ([1, 2], ["so"])),
            (0, ([3], ["it", "is"])),
            (0, {"samples": 3}),
            (1, ([4], [])),
            (1, {"samples": 1}),
        ]


def test_a_chunk_is_passed_on_before_the_next_one_is_made() -> None:
    engine = ScriptedEngine([Accepted(("a",)), chunk(0, 1, 0, 1), AssertionError("not asked for yet")])
    with asking(engine) as request:
        index, first = next(request.stream())
        assert isinstance(first, Chunk)
        assert (index, first.sample_rate, first.samples.tolist()) == (0, 8000, [1])


def test_whoever_collects_gets_the_audio_of_each_job() -> None:
    with asking(ScriptedEngine(TWO), 2) as request:
        assert collected(request) == [[1, 2, 3], [4]]


def test_a_job_that_fails_is_an_error_in_its_place() -> None:
    crashed = Ended(0, ended("a", RunnerCrashed("three times")))
    engine = ScriptedEngine([Accepted(("a", "b")), chunk(0, 1, 0, 1), crashed, done(1, "b", 0)])
    with asking(engine, 2) as request:
        outcomes = listened(request)
    assert isinstance(outcomes[1][1], RunnerCrashed)
    assert outcomes[2] == (1, {"samples": 0})


# an attempt that is begun again


AGAIN: list[Event | Exception] = [
    Accepted(("a",)),
    chunk(0, 1, 0, 1, 2),
    chunk(0, 2, 0, 5),
    chunk(0, 2, 1, 6, 7),
    done(0, "a", 3),
]


def test_whoever_collects_drops_an_attempt_that_is_void() -> None:
    with asking(ScriptedEngine(AGAIN)) as request:
        assert collected(request) == [[5, 6, 7]]


def test_a_listener_who_has_heard_a_part_is_told_that_it_is_void() -> None:
    with asking(ScriptedEngine(AGAIN)) as request:
        pieces = request.stream()
        assert isinstance(next(pieces)[1], Chunk)
        with pytest.raises(EngineUnavailable, match="begun again"):
            next(pieces)


def test_a_second_attempt_at_a_job_that_nobody_heard_is_no_error() -> None:
    engine = ScriptedEngine(
        [Accepted(("a",)), KILLED], [Accepted(("a",)), chunk(0, 2, 0, 5), done(0, "a", 1)]
    )
    with asking(engine) as request:
        assert listened(request) == [(0, ([5], [])), (0, {"samples": 1})]


# an engine that is killed or stopped and comes back


@pytest.mark.parametrize("failure", [KILLED, STOPPED, EngineUnavailable("the engine is not there")])
def test_a_stream_goes_on_at_the_sample_where_it_was_broken_off(failure: EngineUnavailable) -> None:
    engine = ScriptedEngine(
        [Accepted(("a",)), chunk(0, 3, 0, 1, 2, words=[SO]), failure],
        [EngineUnavailable("the engine is not there")],
        [Accepted(("a",)), chunk(0, 3, 2, 3, words=[IT]), done(0, "a", 3)],
    )
    pauses: list[float] = []
    with asking(engine, pauses=pauses) as request:
        assert listened(request) == [(0, ([1, 2], ["so"])), (0, ([3], ["it"])), (0, {"samples": 3})]
    after = [Position(attempt=3, samples=2)]
    assert engine.asked == [(["k/0"], []), (["k/0"], after), (["k/0"], after)]
    assert pauses == [RETRY_S, RETRY_S]


def test_jobs_that_have_ended_are_not_asked_for_again() -> None:
    engine = ScriptedEngine(
        [Accepted(("a", "b", "c")), chunk(0, 1, 0, 1), done(0, "a", 1), chunk(1, 1, 0, 2), KILLED],
        [Accepted(("b", "c")), chunk(0, 1, 1, 3), done(0, "b", 2), KILLED],
        [Accepted(("c",)), done(0, "c", 0)],
    )
    with asking(engine, 3) as request:
        assert collected(request) == [[1], [2, 3], []]
        assert request.job_ids == ["a", "b", "c"]
    assert engine.asked[1:] == [(["k/1", "k/2"], [Position(attempt=1, samples=1), None]), (["k/2"], [])]


def test_whoever_collects_begins_again_with_another_attempt_after_a_kill() -> None:
    engine = ScriptedEngine(
        [Accepted(("a",)), chunk(0, 1, 0, 1, 2), KILLED],
        [Accepted(("a",)), chunk(0, 2, 0, 8, 9), done(0, "a", 2)],
    )
    with asking(engine) as request:
        assert collected(request) == [[8, 9]]


def test_after_a_kill_the_jobs_that_are_left_are_cancelled_when_the_client_goes() -> None:
    there = [True] * 2
    engine = ScriptedEngine(
        [Accepted(("a", "b", "c")), done(0, "a", 0), KILLED], [Accepted(("b", "c")), Waiting(), Waiting()]
    )
    requester = Requester(connected=lambda: bool(there) and there.pop())
    with asking(engine, 3, requester) as request, pytest.raises(JobCancelled):
        list(request.outcomes())
    assert engine.cancelled == ["c", "b"]


# an engine that tells nonsense


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([chunk(0, 1, 0, 1), chunk(0, 1, 2, 3)], "hole at 2"),
        ([chunk(0, 1, 0, 1), chunk(0, 1, 0, 1)], "hole at 0"),
        ([chunk(0, 1, 5, 1)], "hole at 5"),
        ([chunk(0, 1, 0, 1), chunk(0, 2, 1, 3)], "hole at 1"),
        ([chunk(1, 1, 0, 1)], "turn"),
        ([done(1, "b", 0)], "turn"),
        ([chunk(0, 1, 0, 1), done(0, "a", 2)], "1 of 2 samples"),
        ([done(0, "a", 2)], "0 of 2 samples"),
        ([KILLED], "does not know the jobs"),
    ],
)
def test_audio_that_is_not_whole_is_an_error(events: Sequence[Event | Exception], message: str) -> None:
    engine = ScriptedEngine([Accepted(("a", "b")), *events], [Accepted(("x", "y"))])
    with asking(engine, 2, Requester()) as request, pytest.raises(SkylarkError, match=message):
        list(request.outcomes())
    assert engine.cancelled == request.job_ids[::-1]


# what is heard of a transcript


FIRST, SECOND, THIRD = (Segment(start=at, end=at + 1, text=f"The {at}th.") for at in range(3))
HEARD = Ended(0, ended("a", {"text": "The 0th. The 1th. The 2th."}))


def told_of(request: Request) -> list[Any]:
    return [each.result["text"] if isinstance(each, Done) else each for each in request.told()]


def test_segments_are_told_in_their_order_over_an_engine_that_was_killed() -> None:
    engine = ScriptedEngine(
        [Accepted(("a",)), Heard(0, 1, 0, (FIRST, SECOND)), Waiting(0.5), KILLED],
        [Accepted(("a",)), Heard(0, 1, 2, (THIRD,)), HEARD],
    )
    with asking(engine) as request:
        assert told_of(request) == [FIRST, SECOND, HowFar(0.5), THIRD, "The 0th. The 1th. The 2th."]
    assert engine.asked[1][1] == [Position(attempt=1, segments=2)]


def test_where_a_transcript_begins_anew_what_was_heard_is_void() -> None:
    engine = ScriptedEngine(
        [Accepted(("a",)), Heard(0, 1, 0, (FIRST,)), Heard(0, 2, 0, (FIRST, SECOND)), HEARD]
    )
    with asking(engine) as request:
        assert told_of(request)[:4] == [FIRST, BegunAgain(), FIRST, SECOND]


def test_a_transcript_with_a_hole_is_an_error() -> None:
    engine = ScriptedEngine([Accepted(("a",)), Heard(0, 1, 0, (FIRST,)), Heard(0, 1, 2, (THIRD,)), HEARD])
    with asking(engine) as request, pytest.raises(SkylarkError, match="hole at 2"):
        told_of(request)


def test_who_wants_outcomes_alone_is_told_no_segments() -> None:
    engine = ScriptedEngine([Accepted(("a",)), Heard(0, 1, 0, (FIRST,)), HEARD])
    with asking(engine) as request:
        assert request.result()["text"] == "The 0th. The 1th. The 2th."
