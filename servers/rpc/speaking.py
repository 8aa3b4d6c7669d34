"""How a stream speaks what its session has to say: sentences become jobs, and their audio frames.

Frames are made again, not kept: a stream that goes on with an earlier frame reads what its jobs have made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from servers.errors import EngineUnavailable, InvalidRequest, NoSuchFrame, SkylarkError
from servers.jobs.job_stream import AWAY_S, RETRY_S
from servers.jobs.request import BegunAgain, HowFar, Request
from servers.rpc.script import End, Say
from servers.rpc.session import Sent, Session, Stopped, Stream, Void
from servers.rpc.spoken import Frame, Frames
from servers.speech import Chunk, Word


class _Failed(Exception):
    """A job has, which the session knows: it would fail again."""

    def __init__(self, error: SkylarkError) -> None:
        super().__init__(error.message)
        self.error = error


def speak(session: Session, stream: Stream) -> Iterator[Sent | Stopped]:
    """Until its texts have ended and are spoken, or the session ends.

    Raises why a job failed, or could not be: what was said until then is dropped. Of what passes (an engine
    that is away, a full queue) nothing is: another stream goes on where this one ended. Raises as
    `Session.check` does.
    """
    while True:
        speaking = _Speaking(session, stream)
        try:
            yield from speaking.utterances()
            return
        except Void:
            pass
        except _Failed as failed:
            raise failed.error from None
        except SkylarkError as error:
            with suppress(Void):
                if isinstance(error, InvalidRequest) and not isinstance(error, NoSuchFrame):
                    session.fail(stream, error)
                else:
                    session.check(stream)
                raise
        finally:
            speaking.close()
        if (stopped := session.stopped(stream)) is None:
            return
        yield stopped


class _Speaking:
    """From where the session is, until something stops it."""

    def __init__(self, session: Session, stream: Stream) -> None:
        self._session, self._stream = session, stream
        self._requests: dict[int, Request] = {}
        self._put_off: set[int] = set()
        """Sentences that could not be submitted ahead of their turn."""

    def close(self) -> None:
        while self._requests:
            self._close(next(iter(self._requests)))

    def utterances(self) -> Iterator[Sent]:
        session, stream = self._session, self._stream
        frames: Frames | None = None
        number: int | None = None
        while (item := session.await_item(stream, number)) is not None:
            if frames is None or number is None:
                frames, number = self._begin(item.utterance)
            is_ended = False
            for frame in frames.finish() if isinstance(item, End) else self._sentence(item, frames):
                if (sent := session.send(stream, Sent(number, item.utterance, frame))) is not None:
                    yield sent
                number, is_ended = number + 1, frame.is_last
            if isinstance(item, End):
                if not is_ended:
                    session.end_utterance(stream, item.utterance, number)
                frames = number = None
            session.spoken(stream, item)

    def _begin(self, utterance: int) -> tuple[Frames, int]:
        terms = self._session.terms
        first = self._session.begin(self._stream, utterance)
        return Frames(terms.loudness.leveller(terms.voice_lufs)), first

    def _sentence(self, say: Say, frames: Frames) -> Iterator[Frame]:
        self._submit_in_turn(say)
        for _, made in self._requests[say.number].attempts():
            if isinstance(made, Chunk):
                yield from self._chunk(made, frames)
            elif isinstance(made, BegunAgain):
                frames.begin_again()
            elif isinstance(made, SkylarkError):
                self._session.fail(self._stream, made)
                raise _Failed(made)
            elif not isinstance(made, HowFar):
                frames.end_sentence([Word.model_validate(word) for word in made["words"]])
        self._close(say.number)

    def _chunk(self, chunk: Chunk, frames: Frames) -> Iterator[Frame]:
        """A first frame does not wait until the next sentence is in the queue."""
        made = frames.push(chunk)
        yield from islice(made, 1)
        self._submit_ahead()
        yield from made

    def _submit_in_turn(self, say: Say) -> None:
        """Waits for an engine that is away as long as one is waited for whose jobs are accepted."""
        gives_up_at = time.monotonic() + AWAY_S
        while True:
            try:
                return self._submit(say)
            except EngineUnavailable:
                self._session.check(self._stream)
                if time.monotonic() >= gives_up_at:
                    raise
            time.sleep(RETRY_S)

    def _submit(self, say: Say) -> None:
        if say.number not in self._requests:
            self._requests[say.number] = self._session.submit(self._stream, say)

    def _submit_ahead(self) -> None:
        """What cannot be is said when its turn comes: this sentence is spoken."""
        for say in self._session.upcoming(self._stream):
            if say.number not in self._put_off:
                try:
                    self._submit(say)
                except SkylarkError:
                    self._put_off.add(say.number)

    def _close(self, number: int) -> None:
        with self._requests.pop(number):
            pass
