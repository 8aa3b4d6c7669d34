"""nvidia.riva.tts.RivaSpeechSynthesis: each call in terms of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from servers.audio.encode import encode
from servers.audio.loudness import gain_to, normalize_lufs, normalize_rms
from servers.audio.pcm import to_int16
from servers.errors import InvalidRequest, SkylarkError, TooLarge, Unauthorized
from servers.jobs.request import Requester, in_request_terms
from servers.jobs.requests import Requests
from servers.rpc.calls import Keys, owner, requester, statuses
from servers.rpc.levelling import TARGETS, Method
from servers.rpc.riva import riva_tts_pb2 as wire
from servers.rpc.riva.names import configs
from servers.rpc.riva.riva_tts_pb2_grpc import RivaSpeechSynthesisServicer
from servers.rpc.riva.sound import RAW, Sent, Sound
from servers.rpc.riva.wanted import FIELDS, Wanted
from servers.rpc.threads import Context
from servers.settings import Rpc
from servers.speech import Chunk, ModelSpec, Word

Floats = NDArray[np.float32]
LONGEST_S = 300.0
"""Of audio in one message: it is all in memory. Most clients take 4 MiB: 43 s at 48 kHz."""
LARGEST_PIECE = 65_536
"""Bytes of audio in one message of a stream."""


class VoiceLoudness(Protocol):
    def lufs(
        self, model: ModelSpec, voice: str | None, language: str | None, requester: Requester
    ) -> float | None: ...


@dataclass
class RivaService(RivaSpeechSynthesisServicer):
    """Any number of calls at the same time, each in a thread of its own."""

    requests: Requests
    loudness: VoiceLoudness
    settings: Rpc
    keys: Keys

    def Synthesize(  # noqa: N802
        self, request: wire.SynthesizeSpeechRequest, context: Context
    ) -> wire.SynthesizeSpeechResponse:
        """All of it, as loud as the settings have it by its own loudness."""
        with statuses(context):
            who = requester(context, self.keys)
            wanted = Wanted.of(request, self.requests, who.owner)
            sound = Sound(wanted.format, wanted.rate_hz)
            made: list[Floats] = []
            words: list[Word] = []
            for samples, known, _ in self._spoken(wanted, sound, who):
                made.append(samples)
                words += known
                _check_length(sum(map(len, made)), sound)
            audio = self._encoded(np.concatenate(made), sound)
            return _response(request, audio, words)

    def SynthesizeOnline(  # noqa: N802
        self, request_iterator: Iterator[wire.SynthesizeSpeechRequest], context: Context
    ) -> Iterator[wire.SynthesizeSpeechResponse]:
        """Each text as it is made, as loud as the settings have it by what was measured of its voice."""
        with statuses(context):
            who, stream = requester(context, self.keys), None
            try:
                for request in request_iterator:
                    wanted = Wanted.of(request, self.requests, who.owner)
                    stream = stream or _Stream(wanted)
                    stream.check(wanted)
                    gain_db = self._gain_db(wanted, who)
                    for samples, words, is_last in self._spoken(wanted, stream.sound, who):
                        yield from _pieces(request, stream.push(samples, gain_db, is_last), words)
                if stream is not None:
                    yield from _pieces(request, stream.finish(), [])
            finally:
                if stream is not None:
                    stream.close()

    def GetRivaSynthesisConfig(  # noqa: N802
        self, request: wire.RivaSynthesisConfigRequest, context: Context
    ) -> wire.RivaSynthesisConfigResponse:
        """Needs no key, for agents ask it without theirs; whoever sends one sees their own voices too."""
        with statuses(context):
            found = configs(self.requests, self._known_owner(context), request.model_name)
            return wire.RivaSynthesisConfigResponse(model_config=list(found))

    def _known_owner(self, context: Context) -> str | None:
        try:
            return owner(context, self.keys)
        except Unauthorized:
            return None

    def _spoken(
        self, wanted: Wanted, sound: Sound, who: Requester
    ) -> Iterator[tuple[Floats, list[Word], bool]]:
        """The samples of a request's sentences, the words known with them, and whether a sentence ends there.

        Raises why one failed.
        """
        with wanted.submit(self.requests, who) as jobs:
            for _, what in jobs.stream():
                if isinstance(what, SkylarkError):
                    raise what
                if isinstance(what, Chunk):
                    yield *sound.push(what), False
                else:
                    yield *sound.end_text([Word.model_validate(word) for word in what["words"]]), True

    def _gain_db(self, wanted: Wanted, who: Requester) -> float:
        if Method(self.settings.loudness) is Method.NONE:
            return 0.0
        try:
            lufs = self.loudness.lufs(wanted.model, wanted.voice, wanted.language, who)
        except SkylarkError as error:
            raise in_request_terms(error, FIELDS) from None
        return gain_to(self.settings.loudness_lufs, lufs)

    def _encoded(self, samples: Floats, sound: Sound) -> bytes:
        if sound.rate_hz is None:
            return b""
        levelled = to_int16(self._levelled(samples, sound.rate_hz))
        if sound.format == RAW:
            return levelled.astype("<i2", copy=False).tobytes()
        return encode(levelled, sound.rate_hz, sound.format)

    def _levelled(self, samples: Floats, rate_hz: int) -> Floats:
        match Method(self.settings.loudness):
            case Method.NONE:
                return samples
            case Method.RMS:
                return normalize_rms(samples, rate_hz, TARGETS[Method.RMS])
            case _:
                return normalize_lufs(samples, rate_hz, self.settings.loudness_lufs)


class _Stream:
    """The audio of one call: the encoding and the rate of its first request are those of all."""

    def __init__(self, wanted: Wanted) -> None:
        self._first = wanted
        self.sound = Sound(wanted.format, wanted.rate_hz)
        self._sent: Sent | None = None

    def check(self, wanted: Wanted) -> None:
        for field, was, is_now in (
            ("encoding", self._first.format, wanted.format),
            ("sample_rate_hz", self._first.rate_hz, wanted.rate_hz),
        ):
            if was != is_now:
                raise InvalidRequest(f"{field} was another in this call's first request", param=field)

    def push(self, samples: Floats, gain_db: float, last_of_text: bool) -> bytes:
        if self.sound.rate_hz is None:
            return b""
        self._sent = self._sent or Sent(self.sound.format, self.sound.rate_hz)
        return self._sent.push(samples, gain_db, last_of_text)

    def finish(self) -> bytes:
        return b"" if self._sent is None else self._sent.finish()

    def close(self) -> None:
        if self._sent is not None:
            self._sent.close()


def _check_length(samples: int, sound: Sound) -> None:
    if samples > LONGEST_S * (sound.rate_hz or 0):
        message = f"more than {LONGEST_S:g} s of audio in one message; SynthesizeOnline sends any length"
        raise TooLarge(message, param="text")


def _pieces(
    request: wire.SynthesizeSpeechRequest, audio: bytes, words: Sequence[Word]
) -> Iterator[wire.SynthesizeSpeechResponse]:
    """The words go with the first of it; none where there is neither."""
    if audio or (words and request.enable_word_time_offsets):
        yield _response(request, audio[:LARGEST_PIECE], words)
    for start in range(LARGEST_PIECE, len(audio), LARGEST_PIECE):
        yield _response(request, audio[start : start + LARGEST_PIECE], [])


def _response(
    request: wire.SynthesizeSpeechRequest, audio: bytes, words: Sequence[Word]
) -> wire.SynthesizeSpeechResponse:
    response = wire.SynthesizeSpeechResponse(audio=audio)
    if request.HasField("id"):
        response.id.CopyFrom(request.id)
    if request.enable_word_time_offsets:
        response.meta.words.extend(
            wire.WordTiming(
                word=word.word, start_time=round(1000 * word.start), end_time=round(1000 * word.end)
            )
            for word in words
        )
    return response
