"""The sessions of a worker: who may start one, how many there are, and when one ends that nobody uses."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from servers.errors import Conflict, InvalidRequest, SessionNotFound, StorageFailed, TooManySessions
from servers.jobs.request import Requester
from servers.jobs.requests import QueueOptions, Requests
from servers.rpc.journal import SUFFIX, Journal, recorded
from servers.rpc.levelling import Loudness, Method
from servers.rpc.session import Session
from servers.rpc.terms import Terms
from servers.rpc.voice_loudness import VoiceLoudness
from servers.speech import ModelSpec, Utterance

log = logging.getLogger(__name__)
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
RETRY_AFTER_S = 5.0
HELD_S = 30.0
"""Of a model, whose worker may be killed: nobody has to let go of it."""


@dataclass(frozen=True)
class Wanted:
    """What a client asks for; None is what the worker chooses."""

    session_id: str | None
    voice: str | None
    model: str | None
    language: str | None
    speed: float | None
    loudness: Loudness
    application_id: str | None
    priority: int | None


class Sessions:
    """Thread-safe. A session belongs to the API key that has started it: no other one knows of it."""

    def __init__(
        self,
        requests: Requests,
        voices: VoiceLoudness,
        folder: Path,
        most: int,
        resume_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most, self.resume_s = most, resume_s
        self._requests, self._voices, self._folder, self._clock = requests, voices, folder, clock
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}
        self._starting: set[str] = set()

    def start(self, wanted: Wanted, requester: Requester) -> Session:
        """Raises what is wrong with it, TooManySessions, and as a request does that speaks: a voice that was
        never heard is measured.
        """
        session_id = wanted.session_id or uuid.uuid4().hex
        if not NAME.fullmatch(session_id):
            message = "a session_id has up to 64 letters, digits, '-' and '_'"
            raise InvalidRequest(message, param="session_id")
        self._admit(session_id)
        try:
            session = self._started(session_id, wanted, requester)
            with self._lock:
                self._open[session_id] = session
        finally:
            with self._lock:
                self._starting.discard(session_id)
        fields = {"action": "start_session", "session_id": session_id, "model": session.terms.model}
        log.info("a session was started", extra=fields)
        return session

    def _admit(self, session_id: str) -> None:
        with self._lock:
            if session_id in self._open or session_id in self._starting:
                raise Conflict(f"there is a session {session_id!r} already", param="session_id")
            if len(self._open) + len(self._starting) >= self.most:
                message = (
                    f"{self.most} sessions are open, which is the most: try again, or ask another worker"
                )
                raise TooManySessions(message, retry_after_s=RETRY_AFTER_S)
            self._starting.add(session_id)

    def _started(self, session_id: str, wanted: Wanted, requester: Requester) -> Session:
        fields = {"voice": wanted.voice, "language": wanted.language, "speed": wanted.speed}
        given = {name: value for name, value in fields.items() if value is not None}
        Utterance.parse({"text": session_id, **given})
        queued = {"application_id": wanted.application_id, "priority": wanted.priority}
        QueueOptions.parse({name: value for name, value in queued.items() if value is not None})
        model = self._requests.model(wanted.model, given, requester.owner)
        self._requests.check_voice(model, wanted.voice, requester.owner)
        lufs = self._lufs(model, wanted, requester)
        terms = Terms(
            session_id=session_id,
            key=f"rpc/{uuid.uuid4().hex}",
            owner=requester.owner,
            model="/".join(model.key),
            voice=wanted.voice,
            language=wanted.language,
            speed=wanted.speed,
            loudness=wanted.loudness,
            voice_lufs=lufs,
            application_id=wanted.application_id,
            priority=wanted.priority,
        )
        journal = Journal(self._folder / f"{session_id}{SUFFIX}")
        session = Session(terms, self._requests, journal, self._clock)
        try:
            session.record()
        except StorageFailed:
            journal.remove()
            raise
        return session

    def _lufs(self, model: ModelSpec, wanted: Wanted, requester: Requester) -> float | None:
        if wanted.loudness.method is not Method.VOICE:
            return None
        return self._voices.lufs(model, wanted.voice, wanted.language, requester)

    def get(self, session_id: str, owner: str | None) -> Session:
        """Raises SessionNotFound."""
        with self._lock:
            found = self._open.get(session_id)
        if found is None or found.terms.owner != owner:
            message = f"there is no session {session_id[:64]!r}: it has ended, or was never started"
            raise SessionNotFound(message, param="session_id")
        found.use()
        return found

    def end(self, session: Session) -> int:
        """How many frames were sent. Raises SessionNotFound where another call has ended it."""
        frames = self._end(session, "its client has ended it", session.end())
        if frames is None:
            raise SessionNotFound("the session has ended", param="session_id")
        return frames

    def end_unused(self) -> None:
        """Those that have had no client for `resume_s`."""
        for session in self.all():
            self._end(session, f"no client has used it for {self.resume_s:g} s", session.end(self.resume_s))

    def _end(self, session: Session, why: str, frames: int | None) -> int | None:
        """Its name is free only now, that nothing of it is left."""
        if frames is not None:
            with self._lock:
                self._open.pop(session.terms.session_id, None)
            fields = {"action": "end_session", "session_id": session.terms.session_id, "frames": frames}
            log.info("a session has ended: %s", why, extra=fields)
        return frames

    def hold_models(self) -> None:
        """Those that the open sessions speak with stay loaded, until HELD_S after this was last called.

        Raises EngineUnavailable, and UnknownModel for one that the engine does not have any more.
        """
        for model in self.by_model():
            self._requests.client.hold_model(model, HELD_S)

    def all(self) -> list[Session]:
        with self._lock:
            return list(self._open.values())

    def by_model(self) -> Counter[str]:
        """How many there are of each, as "backend/name"."""
        return Counter(session.terms.model for session in self.all())

    # across a restart

    def recover(self) -> None:
        """Takes up the sessions of an earlier process; the time until they end begins now."""
        for journal, (started, *rest) in recorded(self._folder):
            try:
                terms = Terms.recorded(started["started"])
                session = Session(terms, self._requests, journal, self._clock)
                session.recover(rest)
            except (KeyError, TypeError, ValueError, InvalidRequest):
                log.warning("a session of another version is forgotten", extra={"action": "forget_session"})
                journal.remove()
                continue
            self._open[terms.session_id] = session
            fields = {"action": "recover_session", "session_id": terms.session_id}
            log.info("a session is gone on with", extra=fields)

    def leave_worker(self, within_s: float) -> None:
        """The worker ends within that time, and its sessions do not."""
        for session in self.all():
            session.leave_worker(self._clock() + within_s)

    def close(self) -> None:
        for session in self.all():
            session.close()
