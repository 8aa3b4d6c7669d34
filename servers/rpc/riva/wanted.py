"""What one request of Riva's protocol asks for, in the words of a job; what is not possible is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servers.audio.encode import check_rate
from servers.elevenlabs.pending import Pending
from servers.errors import InvalidRequest, SkylarkError
from servers.jobs.request import Item, Request, Requester, in_request_terms
from servers.jobs.requests import QueueOptions, Requests
from servers.limits import check_texts, check_together
from servers.rpc.riva import riva_audio_pb2 as audio
from servers.rpc.riva import riva_tts_pb2 as wire
from servers.rpc.riva.names import meant
from servers.speech import ModelSpec

TASK = "synthesize"
FIELDS = {"voice": "voice_name", "language": "language_code", "sample_rate": "sample_rate_hz"}
"""What the fields of a job are called here."""
FORMATS: Mapping[int, str] = {
    audio.ENCODING_UNSPECIFIED: "pcm",
    audio.LINEAR_PCM: "pcm",
    audio.OGGOPUS: "opus",
}
LOWEST_HZ, HIGHEST_HZ = 8_000, 48_000
NOT_POSSIBLE = {
    "zero_shot_data": "make a voice of the recording, with POST /v1/voices, and name it as voice_name",
    "custom_dictionary": "write a word as it is to be spoken",
    "custom_configuration": "voice_name, language_code, encoding and sample_rate_hz are what can be set",
}
"""Fields of the protocol that nothing here acts on, and what to do instead."""


@dataclass(frozen=True)
class Wanted:
    """`rate_hz` is None where it is to be the model's own."""

    text: str
    model: ModelSpec
    voice: str | None
    language: str | None
    format: str
    rate_hz: int | None

    @staticmethod
    def of(request: wire.SynthesizeSpeechRequest, door: Requests, owner: str | None) -> Wanted:
        """Raises what is wrong with it, by the names of its fields."""
        _check_possible(request)
        check_texts(request.text, door.limits, "text")
        check_together([request.text], door.limits, "text")
        format = _format(request.encoding)
        name, voice = meant(request.voice_name, door)
        language = request.language_code or None
        chooses = {"task": TASK, "voice": voice, "language": language}
        try:
            _check_rate(request.sample_rate_hz, format)
            given = {key: value for key, value in chooses.items() if value is not None}
            model = door.model(name, given, owner)
            door.check_voice(model, voice, owner)
        except SkylarkError as error:
            raise in_request_terms(error, FIELDS) from None
        return Wanted(request.text, model, voice, language, format, request.sample_rate_hz or None)

    def submit(self, door: Requests, requester: Requester) -> Request:
        """A job for each sentence. Raises what is wrong with them."""
        options = QueueOptions(model="/".join(self.model.key))
        return door.submit(options, [Item(self._payload(text), FIELDS) for text in self._texts()], requester)

    def _texts(self) -> list[str]:
        """The text as it is where nothing in it can be said: its job then says so."""
        pending = Pending()
        return [*pending.add(self.text), *pending.flush()] or [self.text]

    def _payload(self, text: str) -> dict[str, Any]:
        given = {"voice": self.voice, "language": self.language}
        return {"task": TASK, "text": text} | {
            key: value for key, value in given.items() if value is not None
        }


def _check_possible(request: wire.SynthesizeSpeechRequest) -> None:
    for field, instead in NOT_POSSIBLE.items():
        value = getattr(request, field)
        if request.HasField(field) if field == "zero_shot_data" else value:
            raise InvalidRequest(f"{field} is not possible here: {instead}", param=field)


def _format(encoding: int) -> str:
    if encoding not in FORMATS:
        known = audio.AudioEncoding.items()
        name = next((name for name, number in known if number == encoding), str(encoding))
        message = f"{name} is not possible here; LINEAR_PCM and OGGOPUS are"
        raise InvalidRequest(message, param="encoding")
    return FORMATS[encoding]


def _check_rate(rate_hz: int, format: str) -> None:
    if rate_hz == 0:
        return
    check_rate(rate_hz, format)
    if not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
        message = f"{rate_hz} samples a second; {LOWEST_HZ} to {HIGHEST_HZ} are possible"
        raise InvalidRequest(message, param="sample_rate")
