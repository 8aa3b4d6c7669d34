"""POST /v1/text-to-speech/<voice> and /stream: a whole text to audio, sent as it is made, also with times."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import pybase64
from flask import Blueprint, Response
from pydantic import Field

from servers.elevenlabs import formats
from servers.elevenlabs.messages import Lenient, VoiceSettings
from servers.elevenlabs.spoken import Piece, Speaker, pieces
from servers.jobs.request import Request
from servers.limits import check_texts
from servers.speech import Text
from servers.web.body import json_body
from servers.web.door import SPEAKING
from servers.web.failures import OF_SPEAKING
from servers.web.openapi import operation
from servers.web.replies import dumps
from servers.web.requester import NAMED, requester, requests
from servers.web.resume import ResumedQuery, requested_start

bp = Blueprint("elevenlabs_speech", __name__)
LINES = "application/x-ndjson"


class TextToSpeech(Lenient):
    text: Text
    model_id: str | None = None
    language_code: str | None = None
    voice_settings: VoiceSettings | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class TextToSpeechQuery(ResumedQuery):
    output_format: formats.Name = formats.DEFAULT


@bp.post("/v1/text-to-speech/<voice_id>")
@bp.post("/v1/text-to-speech/<voice_id>/stream")
@operation(
    "Speak a text, sent as it is made",
    body=TextToSpeech,
    query=TextToSpeechQuery,
    headers=NAMED,
    replies=sorted(formats.CONTENT_TYPES),
    errors=OF_SPEAKING,
)
def speech(voice_id: str) -> Response:
    spoken = Spoken(voice_id)
    return spoken.reply((piece.audio for piece in spoken.pieces), spoken.format.content_type)


@bp.post("/v1/text-to-speech/<voice_id>/stream/with-timestamps")
@operation(
    "The same, with the times of its characters",
    body=TextToSpeech,
    query=TextToSpeechQuery,
    headers=NAMED,
    replies=(LINES,),
    errors=OF_SPEAKING,
)
def speech_with_times(voice_id: str) -> Response:
    spoken = Spoken(voice_id)
    return spoken.reply((_line(piece) for piece in spoken.pieces), LINES)


class Spoken:
    """The current request's speech, once some of it is there. Raises why there is none."""

    def __init__(self, voice_id: str) -> None:
        asked, door, who = json_body(TextToSpeech), requests(SPEAKING), requester()
        check_texts(asked.text, door.limits, "text")
        self.format = formats.output_format(TextToSpeechQuery.of_request().output_format)
        speaker = Speaker.of(
            door, voice_id, asked.model_id, asked.language_code, asked.seed, self.format, who.owner
        )
        speed = None if asked.voice_settings is None else asked.voice_settings.speed
        start = requested_start(self.format.codec, "output_format", who)
        self._jobs = speaker.submit(asked.text, speed, who)
        self.pieces = _begun(self._jobs, self._after(start, asked.text))

    def _after(self, start: int, text: str) -> Iterator[Piece]:
        for piece in pieces(self._jobs, text, self.format):
            if (rest := piece.after(start, self.format.rate_hz)) is not None:
                yield rest

    def reply(self, body: Iterator[bytes], content_type: str) -> Response:
        response = Response(body, content_type=content_type)
        response.headers.update(
            {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", "X-Job-Id": self._jobs.job_ids[0]}
        )
        response.call_on_close(lambda: self._jobs.__exit__())
        return response


def _begun(jobs: Request, coming: Iterator[Piece]) -> Iterator[Piece]:
    """The same, once the first is there. Raises why it is not, while a typed reply is possible."""
    try:
        first = next(coming, None)
    except BaseException:
        jobs.__exit__()
        raise
    return coming if first is None else chain([first], coming)


def _line(piece: Piece) -> bytes:
    alignment = None if piece.alignment is None else piece.alignment.of_utterance()
    audio = pybase64.b64encode_as_string(piece.audio)
    line = {"audio_base64": audio, "alignment": alignment, "normalized_alignment": alignment}
    return dumps(line | ({} if piece.start is None else {"start_sample": piece.start})) + b"\n"
