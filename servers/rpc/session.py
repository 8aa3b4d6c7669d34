"""A session: what is said to it becomes jobs, and their audio frames, for one stream at a time.

Frames are made again, not kept: a stream that goes on with an earlier frame reads what its jobs have made.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from servers.errors import (
    InvalidRequest,
    JobCancelled,
    NoSuchFrame,
    SessionNotFound,
    SkylarkError,
    StreamReplaced,
    TooLarge,
)
from servers.jobs.request import BegunAgain, HowFar, Item, Request, Requester
from servers.jobs.requests import QueueOptions, Requests
from servers.limits import check_texts
from servers.rpc.journal import Entry, Journal
from servers.rpc.levelling import Loudness
from servers.rpc.script import End, Say, Script
from servers.rpc.spoken import Frame, Frames
from servers.speech import Chunk, Word

logger = logging.getLogger(__name__)
AHEAD = 2
"""Sentences whose jobs are in the queue at the same time: while one is sent the next one is made."""
MOST_EVENTS = 1_000
"""That wait for one that watches."""


@dataclass(frozen=True)
class Terms:
    """How a session speaks, and for whom. `key` names its jobs, and nobody else's."""

    session_id: str
    key: str
    owner: str | None
    model: str
    voice: str | None
    language: str | None
    speed: float | None
    loudness: Loudness
    voice_lufs: float | None
    application_id: str | None
    priority: int | None

    def payload(self, text: str) -> dict[str, Any]:
        fields = {"voice": self.voice, "language": self.language, "speed": self.speed}
        given = {name: value for name, value in fields.items() if value is not None}
        return {"task": "synthesize", "text": text} | given

    def options(self) -> QueueOptions:
        return QueueOptions(model=self.model, application_id=self.application_id, priority=self.priority)


class State(StrEnum):
    IDLE = "idle"
    SPEAKING = "speaking"
    PAUSED = "paused"
    ENDED = "ended"


class Kind(StrEnum):
    """Of an event."""

    STATE = "state"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    UTTERANCE_STARTED = "utterance_started"
    UTTERANCE_ENDED = "utterance_ended"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    kind: Kind
    state: State
    next_frame: int
    utterance: int = 0
    message: str = ""


@dataclass(frozen=True)
class Sent:
    """A frame on its way to the client."""

    number: int
    utterance: int
    frame: Frame


@dataclass(frozen=True)
class Stopped:
    next_frame: int


@dataclass(eq=False)
class Stream:
    """One call of Synthesize. `is_connected` is asked; `texts_ended` once its client says nothing more."""

    is_connected: Callable[[], bool]
    texts_ended: bool = False
    requests: dict[int, Request] = field(default_factory=dict)


class _Void(Exception):
    """What is being spoken was stopped."""


class _Failed(Exception):
    """A job has: it would fail again."""

    def __init__(self, error: SkylarkError) -> None:
        super().__init__(error.message)
        self.error = error


class Session:
    """Thread-safe. `clock` is monotonic."""

    def __init__(
        self,
        terms: Terms,
        requests: Requests,
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.terms = terms
        self._requests, self._journal, self._clock = requests, journal, clock
        self._changed = threading.Condition(threading.RLock())
        self._script = Script()
        self._stream: Stream | None = None
        self._next = 0
        """The first frame that was not sent."""
        self._item = 0
        """The item that is spoken, or comes next."""
        self._is_paused = self._has_ended = self._is_recovered = False
        self._voids = 0
        """Counts what makes all void that was said until then."""
        self._used_at = clock()
        self._watchers: list[deque[Event]] = []
        self._told: State | None = None

    # its life

    def record(self) -> None:
        """Writes down how it was started. Raises StorageFailed."""
        self._journal.append({"started": asdict(self.terms)})

    def recover(self, entries: list[Entry]) -> None:
        """Takes up what an earlier process wrote down after that."""
        for entry in entries:
            match entry:
                case {"text": str(text)}:
                    self._script.add(text)
                case {"flush": _}:
                    self._script.flush()
                case {"void": int(frame)}:
                    self._script.void(frame)
                case {"ended": int(utterance), "next_frame": int(frame)}:
                    self._script.ended(utterance, frame)
        self._next = self._script.known_end()
        self._item = self._script.at(self._next)
        self._is_recovered = True

    @property
    def has_client(self) -> bool:
        """A stream, or somebody who watches."""
        with self._changed:
            return self._stream is not None or bool(self._watchers)

    def unused_s(self) -> float:
        """For how long it has had no client."""
        with self._changed:
            return 0.0 if self._stream or self._watchers else self._clock() - self._used_at

    def use(self) -> None:
        with self._changed:
            self._used_at = self._clock()

    def end(self) -> int:
        """Its jobs are cancelled and its record is gone. Returns how many frames were sent."""
        with self._changed:
            running = self._running()
            self._has_ended = True
            self._voids += 1
            self._notify()
        self._cancel(running)
        self._journal.remove()
        return self._next

    def close(self) -> None:
        """The worker ends: what is recorded is taken up by the next one."""
        with self._changed:
            self._journal.close()

    # what is said to it

    def add(self, text: str) -> None:
        """Raises TooLarge, InvalidRequest, and StorageFailed."""
        limits = self._requests.limits
        check_texts(text, limits, "text.text")
        with self._changed:
            self._check_open()
            if self._script.unspoken(self._item) + len(text) > limits.max_request_chars:
                message = f"more than {limits.max_request_chars} characters wait to be spoken"
                raise TooLarge(message, param="text.text")
            self._journal.append({"text": text})
            self._script.add(text)
            self._notify()

    def flush(self) -> None:
        with self._changed:
            self._check_open()
            self._journal.append({"flush": True})
            self._script.flush()
            self._notify()

    def end_texts(self, stream: Stream) -> None:
        """Its client says nothing more: what is left of the text is spoken, and then the stream ends."""
        with self._changed:
            if self._stream is stream and not self._has_ended:
                self.flush()
            stream.texts_ended = True
            self._notify()

    def pause(self, *, paused: bool) -> tuple[State, int]:
        """How it is then, and the first frame that was not sent: while it is paused none is."""
        with self._changed:
            self._check_open()
            self._is_paused = paused
            self._used_at = self._clock()
            self._notify()
            return self._state(), self._next

    def stop(self) -> tuple[State, int]:
        """What was said and not sent is dropped, and its jobs are cancelled when this returns."""
        with self._changed:
            self._check_open()
            running = self._void()
            self._is_paused = False
            self._used_at = self._clock()
            self._tell(Kind.STOPPED)
            self._notify()
            found = self._state(), self._next
        self._cancel(running)
        return found

    # what it says

    def open(self, stream: Stream, from_frame: int | None) -> tuple[int, int]:
        """Makes that its stream, in the place of another one. Returns the frame that comes next, and how many
        texts it has. Raises NoSuchFrame for one that was not sent yet.
        """
        with self._changed:
            self._check_open()
            first = self._next if from_frame is None else max(from_frame, self._script.floor)
            if first > self._next and not self._is_recovered:
                message = f"frame {first} was not sent yet: the next one is {self._next}"
                raise NoSuchFrame(message, param="opening.from_frame")
            self._stream = stream
            self._next, self._item = first, self._script.at(first)
            self._tell(Kind.CONNECTED)
            self._notify()
            return first, self._script.texts

    def leave(self, stream: Stream) -> None:
        """The stream's client has gone, or has all of it: then nothing is told."""
        with self._changed:
            if self._stream is stream:
                self._stream, self._used_at = None, self._clock()
                if not (stream.texts_ended and self._state() is State.IDLE) and not self._has_ended:
                    self._tell(Kind.DISCONNECTED)
            self._changed.notify_all()

    def speak(self, stream: Stream) -> Iterator[Sent | Stopped]:
        """Until its texts have ended and are spoken, or the session ends.

        Raises why a job failed, or could not be: what was said until then is dropped. Of what passes
        (an engine that is away, a full queue) nothing is: another stream goes on where this one ended. Raises
        StreamReplaced once another one has, and JobCancelled when its client has gone.
        """
        while True:
            voids = self._voids
            try:
                with ExitStack() as stack:
                    stack.callback(stream.requests.clear)
                    yield from self._utterances(stream, stack, voids)
                return
            except _Void:
                pass
            except _Failed as failed:
                self._fail(failed.error)
                raise failed.error from None
            except SkylarkError as error:
                if isinstance(error, InvalidRequest):
                    self._fail(error)
                with suppress(_Void), self._changed:
                    self._check_wanted(stream, voids)
                    raise
            if self._has_ended:
                return
            yield Stopped(self._next)

    def _fail(self, error: SkylarkError) -> None:
        with self._changed:
            running = self._void()
            self._tell(Kind.FAILED, message=error.message)
        self._cancel(running)

    def _utterances(self, stream: Stream, stack: ExitStack, voids: int) -> Iterator[Sent]:
        frames: Frames | None = None
        number = 0
        while (item := self._await_item(stream, voids)) is not None:
            if isinstance(item, Say):
                if frames is None:
                    frames, number = self._begin(item.utterance)
                made = self._sentence(stream, stack, item, frames, voids)
            else:
                assert frames is not None
                made = frames.finish()
            for frame in made:
                if (sent := self._send(stream, Sent(number, item.utterance, frame), voids)) is not None:
                    yield sent
                number += 1
            if isinstance(item, End):
                frames = None
            with self._changed:
                self._check_wanted(stream, voids)
                self._item += 1

    def _begin(self, utterance: int) -> tuple[Frames, int]:
        with self._changed:
            self._tell(Kind.UTTERANCE_STARTED, utterance)
            return Frames(self.terms.loudness.leveller(self.terms.voice_lufs)), self._script.begin(utterance)

    def _await_item(self, stream: Stream, voids: int) -> Say | End | None:
        """The one that is to be spoken now; None where nothing comes any more."""
        with self._changed:
            while True:
                self._check_wanted(stream, voids)
                if self._item < len(self._script.items):
                    return self._script.items[self._item]
                if stream.texts_ended:
                    return None
                self._notify()
                self._changed.wait()

    def _sentence(
        self, stream: Stream, stack: ExitStack, say: Say, frames: Frames, voids: int
    ) -> Iterator[Frame]:
        self._submit(stream, stack, voids)
        request = stream.requests[say.number]
        for _, made in request.attempts():
            if isinstance(made, Chunk):
                self._submit(stream, stack, voids)
                yield from frames.push(made)
            elif isinstance(made, BegunAgain):
                frames.begin_again()
            elif isinstance(made, SkylarkError):
                with self._changed:
                    self._check_wanted(stream, voids)
                raise _Failed(made)
            elif not isinstance(made, HowFar):
                frames.end_sentence([Word.model_validate(word) for word in made["words"]])
        with self._changed:
            stream.requests.pop(say.number, None)

    def _submit(self, stream: Stream, stack: ExitStack, voids: int) -> None:
        """The jobs of this sentence and of those after it, AHEAD at most; of this one while it is paused."""
        with self._changed:
            self._check_wanted(stream, voids)
            following = [item for item in self._script.items[self._item :] if isinstance(item, Say)]
            wanted = following[: 1 if self._is_paused else AHEAD]
        for say in wanted:
            if say.number in stream.requests:
                continue
            request = stack.enter_context(self._request(stream, say, voids))
            with self._changed:
                stream.requests[say.number] = request
                is_void = self._voids != voids
            if is_void:
                request.cancel()
                raise _Void

    def _request(self, stream: Stream, say: Say, voids: int) -> Request:
        """Its jobs go on without the stream: another one asks for them by the same key."""
        requester = Requester(
            owner=self.terms.owner,
            connected=lambda: self._is_wanted(stream, voids),
            idempotency_key=f"{self.terms.key}/{say.number}",
        )
        return self._requests.submit(self.terms.options(), [Item(self.terms.payload(say.text))], requester)

    def _send(self, stream: Stream, sent: Sent, voids: int) -> Sent | None:
        """The frame, once it may be sent; None for one that the client has."""
        with self._changed:
            while True:
                self._check_wanted(stream, voids)
                if not self._is_paused:
                    break
                self._changed.wait()
            if sent.frame.is_last:
                self._journal.append({"ended": sent.utterance, "next_frame": sent.number + 1})
                self._script.ended(sent.utterance, sent.number + 1)
                self._tell(Kind.UTTERANCE_ENDED, sent.utterance)
            if sent.number < self._next:
                return None
            self._next, self._is_recovered = sent.number + 1, False
            return sent

    # with the lock

    def _check_open(self) -> None:
        if self._has_ended:
            raise SessionNotFound("the session has ended", param="session_id")

    def _check_wanted(self, stream: Stream, voids: int) -> None:
        if self._has_ended or self._voids != voids:
            raise _Void
        if not stream.is_connected():
            raise JobCancelled("the client went away")
        if self._stream is not stream:
            raise StreamReplaced("another stream has gone on with the session")

    def _is_wanted(self, stream: Stream, voids: int) -> bool:
        return self._stream is stream and self._voids == voids and stream.is_connected()

    def _void(self) -> list[Request]:
        """The requests whose jobs are to be cancelled, without the lock."""
        self._voids += 1
        running = self._running()
        self._journal.append({"void": self._next})
        self._script.void(self._next)
        self._item = self._script.voided
        return running

    def _running(self) -> list[Request]:
        return list(self._stream.requests.values()) if self._stream else []

    @staticmethod
    def _cancel(requests: list[Request]) -> None:
        for request in reversed(requests):
            request.cancel()

    def _state(self) -> State:
        if self._has_ended:
            return State.ENDED
        if self._is_paused:
            return State.PAUSED
        return State.SPEAKING if self._item < len(self._script.items) else State.IDLE

    def _notify(self) -> None:
        if self._state() is not self._told:
            self._told = self._state()
            self._tell(Kind.STATE)
        self._changed.notify_all()

    # who watches

    def _tell(self, kind: Kind, utterance: int = 0, message: str = "") -> None:
        event = Event(kind, self._state(), self._next, utterance, message)
        for waiting in self._watchers:
            waiting.append(event)
        self._changed.notify_all()

    def wake(self) -> None:
        """Somebody who watches may have gone."""
        with self._changed:
            self._changed.notify_all()

    def watch(self, is_connected: Callable[[], bool]) -> Iterator[Event]:
        """How it is, and then what becomes of it until it ends. Who is too slow misses the oldest."""
        waiting: deque[Event] = deque(maxlen=MOST_EVENTS)
        with self._changed:
            self._check_open()
            self._watchers.append(waiting)
            waiting.append(Event(Kind.STATE, self._state(), self._next))
        try:
            while True:
                with self._changed:
                    while not waiting and not self._has_ended and is_connected():
                        self._changed.wait()
                    if not waiting:
                        return
                    event = waiting.popleft()
                yield event
        finally:
            with self._changed:
                self._watchers.remove(waiting)
                self._used_at = self._clock()
