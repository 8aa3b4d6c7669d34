"""One context: texts that are spoken one after the other, by a thread of its own, until it is closed."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from servers.elevenlabs import messages
from servers.elevenlabs.pending import Pending
from servers.elevenlabs.spoken import Speaker, pieces
from servers.errors import JobCancelled, SkylarkError
from servers.jobs.request import Request, Requester
from servers.web.outgoing import ClientGone
from servers.web.websocket import WebSocket

logger = logging.getLogger(__name__)


@dataclass
class Utterance:
    text: str
    speed: float | None
    flushed: bool = False
    """The client has asked for it: it is spoken though the context be closed."""


class Context:
    """Its methods belong to the thread of the conversation, `_run` and what that calls to its own.

    `told` is what each of its messages says of it; `quiet` is called whenever it has nothing to say. With
    `is_one_clock`, times are of all of its audio, and not of each message. It is heard from the sample
    `start` on. Where the requester has a key, the same texts in the same order are the same jobs.
    """

    def __init__(
        self,
        speaker: Speaker,
        requester: Requester,
        websocket: WebSocket,
        told: dict[str, Any],
        quiet: Callable[[], None],
        is_one_clock: bool,
        start: int = 0,
    ) -> None:
        self.pending = Pending()
        self.speed: float | None = None
        self.failure: SkylarkError | None = None
        self.is_closing = False
        self._speaker, self._requester, self._websocket = speaker, requester, websocket
        self._told, self._quiet, self._is_one_clock = told, quiet, is_one_clock
        self._start = start
        self._spoken_ms = self._spoken = self._utterances = 0
        self._changed = threading.Condition()
        self._waiting: deque[Utterance] = deque()
        self._current: Utterance | None = None
        self._request: Request | None = None
        self._skips = self._is_mute = self._has_ended = False
        self._thread: threading.Thread | None = None

    def say(self, texts: list[str]) -> None:
        if texts and self.failure is None:
            with self._changed:
                self._waiting += [Utterance(text, self.speed) for text in texts]
            self._wake()

    def flush(self) -> None:
        """What was said until now is spoken in any case."""
        with self._changed:
            for each in (self._current, *self._waiting):
                if each is not None:
                    each.flushed = True

    def close(self) -> None:
        """What was flushed is spoken to its end, and the rest dropped; the second time all of it is."""
        with self._changed:
            again, self.is_closing = self.is_closing, True
            self._waiting = deque(each for each in self._waiting if each.flushed and not again)
            skips = self._current is not None and (again or not self._current.flushed)
            request = self._skip() if skips else None
        if request is not None:
            request.cancel()
        self._wake()

    def mute(self) -> None:
        """Ends it without a word; its job is cancelled when this returns, unless it has a key and goes on."""
        with self._changed:
            self._is_mute = self.is_closing = True
            self._has_ended = self._has_ended or self._thread is None
            self._waiting.clear()
            request = self._skip()
        if request is not None and self._requester.idempotency_key is None:
            request.cancel()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether it may say something still."""
        return not self._has_ended

    @property
    def is_busy(self) -> bool:
        with self._changed:
            return bool(self._current or self._waiting)

    def unspoken(self) -> int:
        """Characters."""
        with self._changed:
            return len(self.pending) + sum(len(each.text) for each in self._waiting)

    def _skip(self) -> Request | None:
        """The current utterance ends; its job is the caller's to cancel, without the lock."""
        self._skips = True
        self._changed.notify()
        return self._request

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="context", daemon=True)
            self._thread.start()
        with self._changed:
            self._changed.notify()

    # its own thread's

    def _run(self) -> None:
        try:
            self._speak_all()
        except ClientGone:
            pass
        finally:
            with self._changed:
                self._current = None
                self._waiting.clear()
                self._has_ended = True
            self._quiet()

    def _speak_all(self) -> None:
        try:
            while (utterance := self._next()) is not None:
                self._speak(utterance)
        except SkylarkError as error:
            self._fail(error)
        except ClientGone:
            raise
        except Exception as error:
            logger.error("a context failed", exc_info=error, extra={"action": "error"})
            self._fail(SkylarkError("an internal error; the server's log has it"))
        if not self._is_mute:
            self._websocket.send(messages.final(self._told))

    def _next(self) -> Utterance | None:
        """None once it is closed."""
        with self._changed:
            self._current, self._skips = None, False
            if not self._waiting:
                self._quiet()
            self._changed.wait_for(lambda: self._waiting or self.is_closing)
            self._current = self._waiting.popleft() if self._waiting else None
            return self._current

    def _speak(self, utterance: Utterance) -> None:
        requester = replace(self._requester, connected=self._is_wanted, idempotency_key=self._key())
        with self._speaker.submit(utterance.text, utterance.speed, requester) as request:
            with self._changed:
                self._request = request
            try:
                self._tell(request, utterance.text)
            except JobCancelled:
                if self._is_wanted():
                    raise
            finally:
                with self._changed:
                    self._request = None

    def _key(self) -> str | None:
        """Of the next utterance."""
        self._utterances += 1
        key = self._requester.idempotency_key
        if key is None:
            return None
        return f"{sha256(key.encode()).hexdigest()[:32]}/{self._utterances}"

    def _tell(self, request: Request, text: str) -> None:
        if not self._is_wanted():
            return
        before_ms, before = self._spoken_ms if self._is_one_clock else None, self._spoken
        end_ms = 0
        for piece in pieces(request, text, self._speaker.format):
            if not self._is_wanted():
                return
            self._spoken = before + piece.end
            if piece.alignment is not None:
                end_ms = piece.alignment.end_ms
            rest = piece.after(self._start - before, self._speaker.format.rate_hz)
            if rest is not None:
                self._websocket.send(messages.audio(rest, before_ms, before, self._told))
        self._spoken_ms += end_ms

    def _is_wanted(self) -> bool:
        return not self._skips and self._websocket.connected()

    def _fail(self, error: SkylarkError) -> None:
        self.failure = error
        if not self._is_mute:
            self._websocket.send(messages.failure(error, self._told))
