"""skylark.tts.v1.TTS: each call in terms of sessions, and of the engine's models."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from servers import __version__
from servers.audio.framing import FRAME_MS, FRAME_RATE_HZ, FRAME_SAMPLES
from servers.backends.base import About
from servers.errors import EngineUnavailable, InvalidRequest, SkylarkError, TooManyStreams
from servers.jobs.client import RETRY_AFTER_S
from servers.jobs.requests import Requests
from servers.rpc import skylark_pb2 as wire
from servers.rpc.calls import Keys, owner, requester, statuses
from servers.rpc.events import Event, State
from servers.rpc.hearing import Hearing, opened_by
from servers.rpc.levelling import TARGETS, Loudness, Method
from servers.rpc.pace import Pace
from servers.rpc.publishing import offered
from servers.rpc.session import Sent, Session, Stopped, Stream
from servers.rpc.sessions import Sessions, Wanted
from servers.rpc.skylark_pb2_grpc import TTSServicer
from servers.rpc.speaking import speak
from servers.rpc.threads import Context
from servers.settings import Rpc

log = logging.getLogger(__name__)
SPARE = 8
"""One of so many threads is for calls that do not last."""
METHODS = {
    wire.Loudness.VOICE: Method.VOICE,
    wire.Loudness.INTEGRATED: Method.INTEGRATED,
    wire.Loudness.RMS: Method.RMS,
    wire.Loudness.NONE: Method.NONE,
}
STATES = {
    State.IDLE: wire.IDLE,
    State.SPEAKING: wire.SPEAKING,
    State.PAUSED: wire.PAUSED,
    State.ENDED: wire.ENDED,
}


@dataclass
class Service(TTSServicer):
    """Any number of calls at the same time, each in a thread of its own."""

    requests: Requests
    sessions: Sessions
    settings: Rpc
    keys: Keys

    def __post_init__(self) -> None:
        self._most = max(1, self.settings.threads - max(1, self.settings.threads // SPARE))
        self._places = threading.Semaphore(self._most)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """For a call that lasts: some threads are left to those that do not, such as a STOP."""
        if not self._places.acquire(blocking=False):
            message = f"{self._most} streams are open, which is the most: try again, or ask another worker"
            raise TooManyStreams(message, retry_after_s=RETRY_AFTER_S)
        try:
            yield
        finally:
            self._places.release()

    # sessions

    def StartSession(self, request: wire.StartSessionRequest, context: Context) -> wire.Session:  # noqa: N802
        with statuses(context):
            session = self.sessions.start(self._wanted(request), requester(context, self.keys))
            return wire.Session(
                session_id=session.terms.session_id,
                voice=session.terms.voice or "",
                model=session.terms.model,
                sample_rate=FRAME_RATE_HZ,
                samples_per_frame=FRAME_SAMPLES,
                resume_within_ms=round(1000 * self.sessions.resume_s),
            )

    def Synthesize(  # noqa: N802
        self, request_iterator: Iterator[wire.SynthesizeRequest], context: Context
    ) -> Iterator[wire.SynthesizeResponse]:
        with statuses(context), self._place():
            who = owner(context, self.keys)
            opening = opened_by(request_iterator, context)
            session = self._session(opening.session_id, who, context)
            stream = Stream(context.is_active, self._pace(opening))
            from_frame = opening.from_frame if opening.HasField("from_frame") else None
            first, texts = session.open(stream, from_frame)
            context.add_callback(lambda: session.leave(stream))
            hearing = Hearing(session, stream, request_iterator)
            hearing.start()
            try:
                yield wire.SynthesizeResponse(opened=wire.Opened(from_frame=first, texts=texts))
                for what in speak(session, stream):
                    yield _told(what)
            except SkylarkError:
                if hearing.error is not None:
                    raise hearing.error from None
                raise
            finally:
                session.leave(stream)

    def Control(self, request: wire.ControlRequest, context: Context) -> wire.ControlResponse:  # noqa: N802
        with statuses(context):
            session = self._session(request.session_id, owner(context, self.keys), context)
            if request.action == wire.ControlRequest.STOP:
                state, next_frame = session.stop()
            elif request.action in (wire.ControlRequest.PAUSE, wire.ControlRequest.RESUME):
                state, next_frame = session.pause(paused=request.action == wire.ControlRequest.PAUSE)
            else:
                raise InvalidRequest("an action is PAUSE, RESUME or STOP", param="action")
            return wire.ControlResponse(state=STATES[state], next_frame=next_frame)

    def EndSession(self, request: wire.EndSessionRequest, context: Context) -> wire.EndSessionResponse:  # noqa: N802
        with statuses(context):
            session = self._session(request.session_id, owner(context, self.keys), context)
            frames = self.sessions.end(session)
            return wire.EndSessionResponse(frames=frames, audio_s=frames * FRAME_MS / 1000)

    def WatchSession(  # noqa: N802
        self, request: wire.WatchSessionRequest, context: Context
    ) -> Iterator[wire.SessionEvent]:
        with statuses(context), self._place():
            session = self._session(request.session_id, owner(context, self.keys), context)
            context.add_callback(session.wake)
            for event in session.watch(context.is_active):
                yield _event(event)

    def _session(self, session_id: str, who: str | None, context: Context) -> Session:
        """Raises SessionNotFound."""
        found = self.sessions.get(session_id, who)
        context.log_fields["session_id"] = session_id
        return found

    # models

    def ListModels(self, _: wire.ListModelsRequest, context: Context) -> wire.ListModelsResponse:  # noqa: N802
        with statuses(context):
            owner(context, self.keys)
            return wire.ListModelsResponse(models=[self._model(each) for each in self._speaking()])

    def LoadModel(self, request: wire.LoadModelRequest, context: Context) -> wire.Model:  # noqa: N802
        with statuses(context):
            owner(context, self.keys)
            loaded = self.requests.client.load_model(self._named(request.model))
            if loaded["error"] is not None:
                raise SkylarkError.from_dict(loaded["error"])
            if loaded["about"] is None:
                raise EngineUnavailable(f"{request.model} is still being loaded", retry_after_s=RETRY_AFTER_S)
            return self._model(loaded)

    def UnloadModel(self, request: wire.UnloadModelRequest, context: Context) -> wire.Model:  # noqa: N802
        with statuses(context):
            owner(context, self.keys)
            return self._model(self.requests.client.unload_model(self._named(request.model)))

    def GetCapabilities(self, _: wire.GetCapabilitiesRequest, context: Context) -> wire.Capabilities:  # noqa: N802
        with statuses(context):
            owner(context, self.keys)
            return wire.Capabilities(**self.capabilities())

    def capabilities(self) -> dict[str, Any]:
        """Of this worker: what its models say, as far as that is known."""
        models = self._speaking()
        known = [about for each in models if (about := self._about(each)) is not None]
        device = self.requests.client.health()["device"]
        return {
            "worker": self.settings.name,
            "version": __version__,
            "streaming": self.settings.streaming,
            "zero_shot": self.settings.zero_shot and any(about.clones for about in known),
            "lora": False,  # no model here has any
            "cpu_ok": device == "cpu",
            "languages": offered(self.settings.languages, known),
            "max_concurrent_sessions": self.sessions.most,
            "sessions": len(self.sessions.all()),
            "models": [_name(each) for each in models],
            "sample_rate": FRAME_RATE_HZ,
            "frame_ms": FRAME_MS,
            "device": device or "",
        }

    def models(self) -> list[dict[str, Any]]:
        """Of this worker: their names, what each is at, and how many sessions it has."""
        sessions = self.sessions.by_model()
        return [
            {"name": _name(each), "state": each["state"], "sessions": sessions[_name(each)]}
            for each in self._speaking()
        ]

    def _speaking(self) -> list[dict[str, Any]]:
        return [each for each in self.requests.client.models()["models"] if "synthesize" in each["tasks"]]

    def _named(self, name: str) -> str:
        return "/".join(self.requests.model(name or None).key)

    def _about(self, model: dict[str, Any]) -> About | None:
        if model["about"] is not None:
            return About.model_validate(model["about"])
        described = self.requests.description(self.requests.model(_name(model)))
        return None if described is None else described.about

    def _model(self, model: dict[str, Any]) -> wire.Model:
        about = self._about(model) or About()
        return wire.Model(
            model=_name(model),
            state=model["state"],
            is_default=self.requests.preferred.first.key == (model["model_type"], model["name"]),
            languages=about.languages,
            voices=[voice.name for voice in about.voices],
            sample_rate=about.sample_rate or 0,
            vram_mb=model["vram_mb"],
            pinned=model["pinned"],
            sessions=self.sessions.by_model()[_name(model)],
            error=(model["error"] or {}).get("message", ""),
        )

    def _pace(self, opening: wire.Opening) -> Pace:
        ahead_s = opening.ahead_ms / 1000 if opening.HasField("ahead_ms") else self.settings.ahead_s
        return Pace(ahead_s or math.inf)

    def _wanted(self, request: wire.StartSessionRequest) -> Wanted:
        method = METHODS.get(request.loudness.method, Method(self.settings.loudness))
        has_target = request.loudness.HasField("target")
        own = self.settings.loudness_lufs if method in (Method.VOICE, Method.INTEGRATED) else TARGETS[method]
        target = request.loudness.target if has_target else own
        return Wanted(
            session_id=request.session_id or None,
            voice=request.voice or None,
            model=request.model or self.settings.model,
            language=request.language or None,
            speed=request.speed if request.HasField("speed") else None,
            loudness=Loudness(method, target),
            application_id=request.application_id or None,
            priority=request.priority if request.HasField("priority") else None,
        )


def _told(what: Sent | Stopped) -> wire.SynthesizeResponse:
    if isinstance(what, Stopped):
        return wire.SynthesizeResponse(stopped=wire.Stopped(next_frame=what.next_frame))
    frame = what.frame
    words = [
        wire.Word(word=each.word, start_ms=round(1000 * each.start), end_ms=round(1000 * each.end))
        for each in frame.words
    ]
    return wire.SynthesizeResponse(
        frame=wire.Frame(
            number=what.number,
            audio=frame.audio,
            words=words,
            utterance=what.utterance,
            last=frame.is_last,
            padding=frame.padding,
        )
    )


def _event(event: Event) -> wire.SessionEvent:
    return wire.SessionEvent(
        kind=wire.SessionEvent.Kind.Value(event.kind.name),
        state=STATES[event.state],
        next_frame=event.next_frame,
        utterance=event.utterance,
        message=event.message,
    )


def _name(model: dict[str, Any]) -> str:
    return f"{model['model_type']}/{model['name']}"
