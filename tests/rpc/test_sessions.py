"""Sessions without an engine: what their calls do to each other, and what the next process makes of them."""

from __future__ import annotations

import pytest

from servers.errors import (
    BackendFailed,
    Conflict,
    EngineUnavailable,
    InvalidRequest,
    NoSuchFrame,
    SessionNotFound,
    StreamReplaced,
    TooManySessions,
    TooManyStreams,
    UnknownVoice,
)
from servers.jobs.request import Requester
from servers.rpc.events import MOST_WATCHERS, Kind, State
from servers.rpc.levelling import Loudness, Method
from servers.rpc.session import Sent, Session, Stopped, Stream
from servers.rpc.sessions import Sessions, Wanted
from servers.rpc.speaking import speak
from tests.rpc.spoken_requests import SpokenRequests, half

FRAMES = 10
"""Of a sentence."""
WANTED = Wanted("a", "en", None, None, None, Loudness(Method.NONE, 0.0), None, None)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """One that can be begun again over the same folder."""

    def __init__(self, folder) -> None:
        self.folder, self.clock = folder, Clock()
        self.requests = SpokenRequests()
        self.sessions = self.begin()

    def begin(self) -> Sessions:
        """As a later process; of the one before nothing is closed, for it was killed."""
        self.sessions = Sessions(self.requests, None, self.folder, 3, 60.0, self.clock)
        self.sessions.recover()
        return self.sessions

    def session(self, name: str = "a") -> Session:
        return self.sessions.start(Wanted(**{**vars(WANTED), "session_id": name}), Requester())

    def again(self, session: Session) -> Session:
        session.close()
        return self.begin().get("a", None)


@pytest.fixture
def worker(tmp_path):
    worker = Worker(tmp_path)
    yield worker
    worker.sessions.close()


def opened(session: Session, from_frame: int | None = None) -> Stream:
    stream = Stream(lambda: True)
    session.open(stream, from_frame)
    return stream


def numbers(told) -> list[int]:
    return [each.number for each in told if isinstance(each, Sent)]


def numbers_until(error: type[Exception], told) -> list[int]:
    found: list[int] = []
    with pytest.raises(error):
        found.extend(each.number for each in told)
    return found


def heard(session: Session, from_frame: int | None = None) -> list[int]:
    """All that is left of it."""
    stream = opened(session, from_frame)
    session.end_texts(stream)
    return numbers(speak(session, stream))


# what is said


def test_sentences_are_submitted_two_ahead(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. Two. Three. Four. ", flush=True)
    told = speak(session, stream)
    next(told), next(told)
    assert worker.requests.texts() == ["One.", "Two."]
    told.close()
    assert worker.requests.open() == []


def test_a_session_of_any_length_keeps_no_more_than_the_requests_that_it_needs(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    for _ in range(200):
        session.say(stream, "One more. ")
    session.end_texts(stream)
    most = 0
    for _ in speak(session, stream):
        most = max(most, len(worker.requests.open()))
    assert most == 2
    assert session._running == {}


def test_an_utterance_of_which_nothing_is_heard_does_not_stop_the_next(worker: Worker) -> None:
    worker.requests.makes = lambda text: [{"words": []}] if "One" in text else None
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One.", flush=True)
    session.say(stream, "Two.", flush=True)
    session.end_texts(stream)
    assert numbers(speak(session, stream)) == list(range(FRAMES))
    again = worker.again(session)
    assert heard(again, 4) == list(range(4, FRAMES))


def test_every_message_with_text_is_counted_one_that_only_flushes_too(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One.")
    session.say(stream, "", flush=True)
    session.say(stream, "Two")
    assert session.open(Stream(lambda: True), 0) == (0, 3)
    session.close()
    assert worker.begin().get("a", None).open(Stream(lambda: True), 0) == (0, 3)


# one stream after the other


def test_what_a_replaced_stream_still_says_is_not_said(worker: Worker) -> None:
    session = worker.session()
    first = opened(session)
    session.say(first, "One. ")
    opened(session)
    for say in (lambda: session.say(first, "Two. "), lambda: session.end_texts(first)):
        with pytest.raises(StreamReplaced):
            say()
    assert heard(session) == list(range(FRAMES))
    assert worker.requests.texts() == ["One."]


def test_a_frame_far_back_is_made_again_and_one_that_is_forgotten_is_the_first_that_is_not(
    worker: Worker,
) -> None:
    session = worker.session()
    stream = opened(session)
    for _ in range(60):
        session.say(stream, "w" * 399 + ". ")
        session.say(stream, "v" * 399 + ". ", flush=True)
    for _ in range(30):
        session.say(stream, "u" * 399 + ". ", flush=True)
    session.end_texts(stream)
    total = len(numbers(speak(session, stream)))
    first, _ = session.open(Stream(lambda: True), 0)
    assert 0 < first < total
    assert heard(session, 0) == list(range(first, total))


# stops and failures


def test_a_stop_before_a_stream_speaks_its_first_word_is_told(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One.", flush=True)
    session.stop()
    session.end_texts(stream)
    assert list(speak(session, stream)) == [Stopped(0)]


def test_each_stop_is_told_also_while_another_one_is(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. Two.", flush=True)
    told = speak(session, stream)
    next(told)
    session.stop()
    assert next(told) == Stopped(1)
    session.stop()
    session.say(stream, "Three.", flush=True)
    session.end_texts(stream)
    assert next(told) == Stopped(1)
    assert numbers(told) == list(range(1, 1 + FRAMES))


def test_a_stop_cancels_also_what_no_stream_listens_to(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. Two. Three.", flush=True)
    told = speak(session, stream)
    next(told), next(told)
    told.close()
    session.leave(stream)
    session.stop()
    assert [request.is_cancelled for request in worker.requests.submitted] == [True, True]
    assert heard(session) == []


def test_an_ended_session_cancels_also_what_no_stream_listens_to(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. Two.", flush=True)
    told = speak(session, stream)
    next(told), next(told)
    told.close()
    session.leave(stream)
    worker.sessions.end(session)
    assert [request.is_cancelled for request in worker.requests.submitted] == [True, True]


@pytest.mark.parametrize("error", [UnknownVoice("gone", param="voice"), InvalidRequest("no", param="text")])
def test_a_sentence_that_cannot_be_ends_the_stream_with_why_and_drops_what_was_said(worker, error) -> None:
    worker.requests.fails = lambda text: error if "Two" in text else None
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. Two. Three.", flush=True)
    sent = numbers_until(type(error), speak(session, stream))
    assert 0 < len(sent) < FRAMES
    session.leave(stream)
    stream = opened(session)
    session.say(stream, "Four.")
    session.end_texts(stream)
    first = len(sent)
    assert numbers(speak(session, stream)) == list(range(first, first + FRAMES))


def test_a_sentence_that_fails_in_its_middle_keeps_the_numbers_that_were_sent(worker: Worker) -> None:
    broken = [half("Two."), BackendFailed("it broke")]
    worker.requests.makes = lambda text: broken if "Two" in text else None
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. Two. Three.", flush=True)
    told = numbers_until(BackendFailed, speak(session, stream))
    session.leave(stream)
    stream = Stream(lambda: True)
    first, _ = session.open(stream, None)
    assert FRAMES <= first < 2 * FRAMES
    assert told == list(range(first))
    session.say(stream, "Four.")
    session.end_texts(stream)
    assert numbers(speak(session, stream)) == list(range(first, first + FRAMES))
    assert heard(worker.again(session), first + 2) == list(range(first + 2, first + FRAMES))


def test_an_engine_that_is_away_drops_nothing(worker: Worker) -> None:
    away = EngineUnavailable("away", retry_after_s=1)
    worker.requests.fails = lambda text: away if "Two" in text else None
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. Two.", flush=True)
    sent = numbers_until(EngineUnavailable, speak(session, stream))
    session.leave(stream)
    worker.requests.fails = lambda _: None
    assert sent + heard(session) == list(range(2 * FRAMES))


def test_a_failure_after_the_end_leaves_no_record(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)

    def fails(_text: str):
        worker.sessions.end(session)
        return InvalidRequest("no")

    worker.requests.fails = fails
    session.say(stream, "One.", flush=True)
    assert list(speak(session, stream)) == []
    assert list(worker.folder.iterdir()) == []


# a worker that was killed


def test_what_is_paused_is_paused_in_the_next_process(worker: Worker) -> None:
    session = worker.session()
    session.pause(paused=True)
    again = worker.again(session)
    assert again.pause(paused=True) == (State.PAUSED, 0)


def test_a_frame_that_was_never_made_is_refused_and_the_session_goes_on(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. ")
    again = worker.again(session)
    stream = opened(again, 10**15)
    with pytest.raises(NoSuchFrame, match="the next one is"):
        list(speak(again, stream))
    again.leave(stream)
    assert heard(again, 0) == list(range(FRAMES))


def test_a_stop_of_what_a_killed_worker_had_sent_does_not_cost_the_next_text_its_beginning(
    worker: Worker,
) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One. Two.", flush=True)
    told = speak(session, stream)
    sent = [next(told).number for _ in range(7)]
    again = worker.again(session)
    again.stop()
    stream = opened(again, len(sent))
    again.say(stream, "Three.")
    again.end_texts(stream)
    assert numbers(speak(again, stream)) == list(range(7, 7 + FRAMES))
    told.close()


def test_a_record_that_was_written_anew_is_the_same_session(worker: Worker, monkeypatch) -> None:
    monkeypatch.setattr("servers.rpc.journal.LONG_BYTES", 200)
    session = worker.session()
    stream = opened(session)
    for _ in range(100):
        session.say(stream, "One. Two", flush=True)
    told = speak(session, stream)
    for _ in range(45 * 2 * FRAMES):
        next(told)
    told.close()
    again = worker.again(session)
    assert again.open(Stream(lambda: True), None)[1] == 100
    assert heard(again, 31) == list(range(31, 100 * 2 * FRAMES))


def test_a_record_of_another_version_is_forgotten(worker: Worker) -> None:
    session = worker.session()
    session._journal.append({"sung": "la"})
    with pytest.raises(SessionNotFound):
        worker.again(session)
    assert list(worker.folder.iterdir()) == []


# a worker that ends


def test_a_worker_that_ends_lets_speech_go_on_and_sends_away_who_waits(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One.", flush=True)
    told = speak(session, stream)
    watched = session.watch(lambda: True)
    next(told)
    session.leave_worker(at=15.0)
    assert numbers_until(EngineUnavailable, told) == list(range(1, FRAMES))
    with pytest.raises(EngineUnavailable):
        list(watched)


def test_speech_that_takes_longer_is_the_next_worker_s(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    session.say(stream, "One.", flush=True)
    told = speak(session, stream)
    next(told)
    session.leave_worker(at=15.0)
    worker.clock.now = 15.0
    with pytest.raises(EngineUnavailable):
        next(told)
    told.close()
    assert heard(worker.again(session), 1) == list(range(1, FRAMES))


# who watches


def test_who_leaves_does_not_take_another_s_events_along(worker: Worker) -> None:
    session = worker.session()
    first, second = session.watch(lambda: True), session.watch(lambda: True)
    assert next(first).state is next(second).state is State.IDLE
    second.close()
    session.pause(paused=True)
    assert next(first).state is State.PAUSED
    first.close()
    worker.clock.now = 61.0
    worker.sessions.end_unused()
    assert worker.sessions.all() == []


def test_one_more_than_may_watch_is_told_so(worker: Worker) -> None:
    session = worker.session()
    watching = [session.watch(lambda: True) for _ in range(MOST_WATCHERS)]
    for each in watching:
        next(each)
    with pytest.raises(TooManyStreams):
        next(session.watch(lambda: True))
    watching.pop().close()
    one_more = session.watch(lambda: True)
    assert next(one_more).kind is Kind.STATE
    for each in (*watching, one_more):
        each.close()


# their lives


def test_a_name_is_free_once_nothing_of_its_session_is_left(worker: Worker) -> None:
    first = worker.session()
    with pytest.raises(Conflict):
        worker.session()
    worker.sessions.end(first)
    second = worker.session()
    with pytest.raises(SessionNotFound):
        worker.sessions.end(first)
    assert worker.sessions.get("a", None) is second
    assert [path.name for path in worker.folder.iterdir()] == ["a.jsonl"]


def test_one_too_many_is_refused_and_the_place_of_an_ended_one_is_free(worker: Worker) -> None:
    sessions = [worker.session(name) for name in "abc"]
    with pytest.raises(TooManySessions) as raised:
        worker.session("d")
    assert raised.value.retry_after_s
    worker.sessions.end(sessions[0])
    worker.session("d")


def test_a_start_that_fails_takes_no_place(worker: Worker) -> None:
    for _ in range(5):
        with pytest.raises(InvalidRequest):
            worker.sessions.start(Wanted(**{**vars(WANTED), "priority": -1}), Requester())
    assert worker.session().terms.session_id == "a"


def test_a_session_ends_once_nobody_has_used_it_for_the_time(worker: Worker) -> None:
    session = worker.session()
    stream = opened(session)
    worker.clock.now = 1_000.0
    worker.sessions.end_unused()
    assert worker.sessions.all() == [session]
    session.leave(stream)
    worker.clock.now = 1_060.0
    worker.sessions.end_unused()
    assert worker.sessions.all() == [session]
    worker.clock.now = 1_060.1
    worker.sessions.end_unused()
    assert worker.sessions.all() == []
    with pytest.raises(SessionNotFound):
        session.open(stream, None)


def test_a_session_is_its_key_s_alone(worker: Worker) -> None:
    worker.sessions.start(WANTED, Requester(owner="one")).close()
    worker.begin()
    for owner in (None, "two"):
        with pytest.raises(SessionNotFound):
            worker.sessions.get("a", owner)
    assert worker.sessions.get("a", "one").terms.owner == "one"
