"""A session: what was said to it, how much of that was sent, and which stream has it.

What its calls do to each other is decided here, under one lock; a stream speaks in speaking.py.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import NoReturn

from servers.errors import (
    EngineUnavailable,
    JobCancelled,
    NoSuchFrame,
    SessionNotFound,
    SkylarkError,
    StreamReplaced,
    TooLarge,
)
from servers.jobs.request import Item, Request, Requester
from servers.jobs.requests import Requests
from servers.limits import check_texts
from servers.rpc.events import Event, Kind, State, Watchers
from servers.rpc.journal import Entry, Journal
from servers.rpc.pace import Pace
from servers.rpc.script import End, Say, Script
from servers.rpc.spoken import Frame
from servers.rpc.terms import Terms

AHEAD = 2
"""Sentences whose jobs are in the queue at the same time: while one is sent the next one is made."""
RETRY_AFTER_S = 2.0
"""Of a worker that ends: the next one is there by then."""


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
    pace: Pace = field(default_factory=lambda: Pace(math.inf))
    texts_ended: bool = False
    voids: int = 0
    """How many of the session's its client was told of."""


class Void(Exception):
    """What is being spoken was stopped."""


class Session:
    """Thread-safe. `clock` is monotonic."""

    def __init__(
        self,
        terms: Terms,
        requests: Requests,
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.terms, self.requests = terms, requests
        self._journal, self._clock = journal, clock
        self._changed = threading.Condition(threading.RLock())
        self._script = Script()
        self._stream: Stream | None = None
        self._next = 0
        """The first frame that was not sent."""
        self._item = 0
        """The item that is spoken, or comes next."""
        self._running: dict[int, Request] = {}
        """Of each sentence that was submitted and not spoken to its end."""
        self._is_paused = self._has_ended = self._is_recovered = False
        self._voids = 0
        """Counts what makes all void that was said until then."""
        self._leaves_at = math.inf
        """The worker ends then, at the latest; it does already where that is known."""
        self._used_at = clock()
        self._watchers = Watchers()
        self._told: State | None = None

    # its life

    def record(self) -> None:
        """Writes down how it was started. Raises StorageFailed."""
        self._journal.append({"started": asdict(self.terms)})

    def recover(self, entries: list[Entry]) -> None:
        """Takes up what an earlier process wrote down after that. Raises KeyError, TypeError or ValueError
        for what none did.
        """
        for entry in entries:
            match entry:
                case {"text": str(text), "flush": bool(flush)}:
                    self._take(text, flush)
                case {"flush": True}:
                    self._script.flush()
                case {"void": int(frame)}:
                    self._script.void(frame)
                case {"ended": int(utterance), "next_frame": int(frame)}:
                    self._script.ended(utterance, frame)
                case {"paused": bool(paused)}:
                    self._is_paused = paused
                case {"script": dict(snapshot)}:
                    self._script = Script.restored(snapshot)
                case _:
                    raise ValueError("an entry of another version")
        self._next = self._script.known_end()
        self._item = self._script.at(self._next)
        self._is_recovered = True

    def use(self) -> None:
        with self._changed:
            self._used_at = self._clock()

    def end(self, unused_s: float = -math.inf) -> int | None:
        """Its jobs are cancelled and its record is gone. Returns how many frames were sent; None where it has
        ended before, or had a client (a stream, or somebody who watches) within the last `unused_s`.
        """
        with self._changed:
            has_client = self._stream is not None or len(self._watchers)
            unused_for_s = 0.0 if has_client else self._clock() - self._used_at
            if self._has_ended or unused_for_s <= unused_s:
                return None
            self._has_ended = True
            self._voids += 1
            running = self._taken()
            self._notify()
        self._cancel(running)
        with self._changed:
            self._journal.remove()
            return self._next

    def leave_worker(self, at: float) -> None:
        """The worker ends: streams that wait for something end now, and those that speak by then."""
        with self._changed:
            self._leaves_at = at
            self._notify()

    def close(self) -> None:
        """What is recorded is taken up by the next worker."""
        with self._changed:
            self._journal.close()

    # what is said to it

    def say(self, stream: Stream, text: str, *, flush: bool = False) -> None:
        """Raises TooLarge, InvalidRequest, StorageFailed, and StreamReplaced: what is on its way in a stream
        that was gone on with by another one is not said, for that one says it again.
        """
        limits = self.requests.limits
        check_texts(text, limits, "text.text")
        with self._changed:
            self._check_current(stream)
            if self._script.unspoken(self._item) + len(text) > limits.max_request_chars:
                message = f"more than {limits.max_request_chars} characters wait to be spoken"
                raise TooLarge(message, param="text.text")
            self._journal.append({"text": text, "flush": flush})
            self._take(text, flush)
            self._notify()

    def end_texts(self, stream: Stream) -> None:
        """Its client says nothing more: what is left of the text is spoken, and then the stream ends."""
        with self._changed:
            self._check_current(stream)
            if self._script.has_unflushed():
                self._journal.append({"flush": True})
                self._script.flush()
            stream.texts_ended = True
            self._notify()

    def pause(self, *, paused: bool) -> tuple[State, int]:
        """How it is then, and the first frame that was not sent: while it is paused none is."""
        with self._changed:
            self._check_open()
            self._set_paused(paused)
            self._used_at = self._clock()
            self._notify()
            return self._state(), self._next

    def stop(self) -> tuple[State, int]:
        """What was said and not sent is dropped, and its jobs are cancelled when this returns."""
        with self._changed:
            self._check_open()
            running = self._void()
            self._set_paused(False)
            self._used_at = self._clock()
            self._tell(Kind.STOPPED)
            self._notify()
            found = self._state(), self._next
        self._cancel(running)
        return found

    # its streams

    def open(self, stream: Stream, from_frame: int | None) -> tuple[int, int]:
        """Makes that its stream, in the place of another one. Returns the frame that comes next, and how many
        texts it has. Raises NoSuchFrame for one that was not sent yet.
        """
        with self._changed:
            self._check_open()
            first = self._next if from_frame is None else max(from_frame, self._script.floor)
            if first > self._next:
                self._check_recovered(first)
            self._stream, stream.voids = stream, self._voids
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

    def check(self, stream: Stream) -> None:
        """Raises Void once what the stream speaks was stopped, or the session has ended; StreamReplaced,
        JobCancelled when its client has gone, and EngineUnavailable where the worker has to end.
        """
        with self._changed:
            if self._has_ended or self._voids != stream.voids:
                raise Void
            if not stream.is_connected():
                raise JobCancelled("the client went away")
            if self._stream is not stream:
                raise StreamReplaced("another stream has gone on with the session")
            if self._clock() >= self._leaves_at:
                self._leave_worker()

    def await_item(self, stream: Stream, number: int | None) -> Say | End | None:
        """The one that is to be spoken now; None where nothing comes any more. `number` is the frame that
        comes next, where an utterance has begun. Raises as `check`, and NoSuchFrame.
        """
        with self._changed:
            while True:
                self.check(stream)
                if (item := self._script.item(self._item)) is not None:
                    return item
                self._check_reached(self._script.known_end() if number is None else number)
                if stream.texts_ended:
                    return None
                self._notify()
                self._wait()

    def begin(self, stream: Stream, utterance: int) -> int:
        """Its first frame."""
        with self._changed:
            self.check(stream)
            self._tell(Kind.UTTERANCE_STARTED, utterance)
            return self._script.begin(utterance)

    def upcoming(self, stream: Stream) -> list[Say]:
        """The sentences whose jobs are wanted: AHEAD from this one on; this one alone while it is paused."""
        with self._changed:
            self.check(stream)
            return self._script.sentences(self._item, 1 if self._is_paused else AHEAD)

    def submit(self, stream: Stream, say: Say) -> Request:
        """Its job goes on without the stream: another one asks for it by the same key. Raises as `check`."""
        voids = stream.voids
        requester = Requester(
            owner=self.terms.owner,
            connected=lambda: self._is_wanted(stream, voids),
            idempotency_key=f"{self.terms.key}/{say.number}",
        )
        items = [Item(self.terms.payload(say.text))]
        request = self.requests.submit(self.terms.options(), items, requester, timeout_s=math.inf)
        with self._changed:
            is_void = self._has_ended or self._voids != voids
            if not is_void:
                self._running[say.number] = request
        if is_void:
            with request:
                request.cancel()
            raise Void
        return request

    def send(self, stream: Stream, sent: Sent) -> Sent | None:
        """The frame, once it may be sent; None for one that the client has. Raises as `check`."""
        with self._changed:
            self.check(stream)
            self._await_pace(stream, is_new=sent.number >= self._next)
            if sent.frame.is_last:
                self._end_utterance(sent.utterance, sent.number + 1)
            if sent.number < self._next:
                return None
            self._next, self._is_recovered = sent.number + 1, False
            stream.pace.sent(self._clock())
            return sent

    def end_utterance(self, stream: Stream, utterance: int, next_frame: int) -> None:
        """One of which nothing was heard."""
        with self._changed:
            self.check(stream)
            self._end_utterance(utterance, next_frame)

    def spoken(self, stream: Stream, item: Say | End) -> None:
        """All of it was sent."""
        with self._changed:
            self.check(stream)
            self._item += 1
            if isinstance(item, Say):
                self._running.pop(item.number, None)

    def fail(self, stream: Stream, error: SkylarkError) -> None:
        """What was said until now is dropped. Raises as `check`."""
        with self._changed:
            self.check(stream)
            running = self._void()
            self._tell(Kind.FAILED, message=error.message)
            self._notify()
        self._cancel(running)

    def stopped(self, stream: Stream) -> Stopped | None:
        """What the stream's client is told of a stop; None where the session has ended."""
        with self._changed:
            stream.voids = self._voids
            stream.pace.begin_again()
            return None if self._has_ended else Stopped(self._next)

    # with the lock

    def _check_open(self) -> None:
        if self._has_ended:
            raise SessionNotFound("the session has ended", param="session_id")

    def _check_current(self, stream: Stream) -> None:
        self._check_open()
        if self._stream is not stream:
            raise StreamReplaced("another stream has gone on with the session")

    def _check_recovered(self, first: int) -> None:
        """A client has more than an ended utterance's frames of a worker that was killed: how many is not
        recorded. Where a stop came since, they are of what it stopped.
        """
        if not self._is_recovered:
            message = f"frame {first} was not sent yet: the next one is {self._next}"
            raise NoSuchFrame(message, param="opening.from_frame")
        if self._script.is_void():
            self._journal.append({"void": first})
            self._script.void(first)

    def _check_reached(self, number: int) -> None:
        """All that was said is made: a later frame never was."""
        if self._is_recovered and number < self._next:
            message = f"frame {self._next} was never made: the next one is {number}"
            self._next, self._is_recovered = number, False
            raise NoSuchFrame(message, param="opening.from_frame")

    def _leave_worker(self) -> NoReturn:
        message = "the worker is ending: go on with the session, which the next one has"
        raise EngineUnavailable(message, retry_after_s=RETRY_AFTER_S)

    def _wait(self) -> None:
        """For what a call may change: none comes any more where the worker ends."""
        if self._leaves_at < math.inf:
            self._leave_worker()
        self._changed.wait()

    def _await_pace(self, stream: Stream, *, is_new: bool) -> None:
        """Until the next frame may be sent. A worker that ends waits for nobody's ears. Raises as `check`."""
        while True:
            now = self._clock()
            if self._is_paused:
                self._wait()
                stream.pace.held(self._clock() - now)
            elif is_new and (wait_s := stream.pace.wait_s(now)) > 0 and self._leaves_at == math.inf:
                self._changed.wait(wait_s)
            else:
                return
            self.check(stream)

    def _is_wanted(self, stream: Stream, voids: int) -> bool:
        is_current = self._stream is stream and self._voids == voids and self._clock() < self._leaves_at
        return is_current and stream.is_connected()

    def _take(self, text: str, flush: bool) -> None:
        self._script.add(text)
        if flush:
            self._script.flush()

    def _set_paused(self, paused: bool) -> None:
        if paused is not self._is_paused:
            self._journal.append({"paused": paused})
            self._is_paused = paused

    def _end_utterance(self, utterance: int, next_frame: int) -> None:
        if not self._script.knows_end(utterance):
            self._journal.append({"ended": utterance, "next_frame": next_frame})
            self._script.ended(utterance, next_frame)
            if self._journal.is_long:
                whole = [{"started": asdict(self.terms)}, {"script": self._script.snapshot()}]
                self._journal.rewrite(whole)
        self._tell(Kind.UTTERANCE_ENDED, utterance)

    def _void(self) -> list[Request]:
        """The requests whose jobs are to be cancelled, without the lock."""
        self._journal.append({"void": self._next})
        self._voids += 1
        self._script.void(self._next)
        self._item = self._script.voided
        return self._taken()

    def _taken(self) -> list[Request]:
        running, self._running = list(self._running.values()), {}
        return running

    @staticmethod
    def _cancel(requests: list[Request]) -> None:
        for request in reversed(requests):
            request.cancel()

    def _state(self) -> State:
        if self._has_ended:
            return State.ENDED
        if self._is_paused:
            return State.PAUSED
        return State.SPEAKING if self._item < self._script.count else State.IDLE

    def _notify(self) -> None:
        if self._state() is not self._told:
            self._told = self._state()
            self._tell(Kind.STATE)
        self._changed.notify_all()

    # who watches

    def _tell(self, kind: Kind, utterance: int = 0, message: str = "") -> None:
        self._watchers.tell(Event(kind, self._state(), self._next, utterance, message))
        self._changed.notify_all()

    def wake(self) -> None:
        """Somebody who watches may have gone."""
        with self._changed:
            self._changed.notify_all()

    def watch(self, is_connected: Callable[[], bool]) -> Iterator[Event]:
        """How it is, and then what becomes of it until it ends. Raises SessionNotFound, TooManyStreams, and
        EngineUnavailable where the worker ends.
        """
        with self._changed:
            self._check_open()
            waiting = self._watchers.add()
            waiting.append(Event(Kind.STATE, self._state(), self._next))
        try:
            while True:
                with self._changed:
                    while not waiting and not self._has_ended and is_connected():
                        self._wait()
                    if not waiting:
                        return
                    event = waiting.popleft()
                yield event
        finally:
            with self._changed:
                self._watchers.remove(waiting)
                self._used_at = self._clock()
