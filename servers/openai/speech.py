"""POST /v1/audio/speech: one text to audio, sent as it is made."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

from flask import Blueprint, Response, jsonify

from servers.audio.encode import FORMATS
from servers.audio.pcm import to_int16
from servers.audio.streaming import StreamEncoder
from servers.errors import InvalidRequest, SkylarkError
from servers.jobs.request import Request, Result
from servers.jobs.to_bucket import Destination, uploaded
from servers.openai import errors
from servers.openai.errors import operation
from servers.openai.names import DEFAULT, VoiceId, model_named, voice_named
from servers.openai.server_sent_events import EVENTS, event, failure
from servers.openai.speech_body import TASK, SpeechBody
from servers.speech import Chunk, ModelSpec, Word
from servers.spoken.cache import Entry
from servers.spoken.recall import Recall
from servers.web.body import json_body
from servers.web.described import linked
from servers.web.door import SPEAKING
from servers.web.failures import OF_BUCKETS, OF_SPEAKING
from servers.web.openapi import JSON
from servers.web.request_ids import request_id
from servers.web.requester import NAMED, requester, requests
from servers.web.resume import BYTES_PER_SAMPLE, LAST_EVENT, POSITIONED, ResumedQuery, requested_start

bp = Blueprint("openai_speech", __name__)
errors.install(bp)
HEADER_BYTES = {"wav": 44}
STREAMED = "streamed"
"""What is written as it is made differs from a file: nothing in it says how long it is."""
DELTA_BYTES = 49_152
TOLD_AT_THE_END = ("finish_reason", "duration_s", "words")
CHARS_PER_TOKEN = 4
"""How OpenAI estimates the tokens of a text; nothing is billed by it here."""


@bp.post("/v1/audio/speech")
@operation(
    "Speak a text, sent as it is made",
    body=SpeechBody,
    query=ResumedQuery,
    headers=NAMED | LAST_EVENT,
    replies=(*(format.content_type for format in FORMATS.values()), EVENTS, JSON),
    errors=(*OF_SPEAKING, *OF_BUCKETS),
)
def speech() -> Response:
    asked, door, who = json_body(SpeechBody), requests(SPEAKING), requester()
    asked.check(door.limits)
    start = requested_start(asked.response_format, "response_format", who)
    destination = asked.destination(asked.response_format, 1, who.owner)
    if destination is not None and (start or asked.stream_format == "sse"):
        raise InvalidRequest("what goes into a bucket goes there whole: it is not streamed", param="output")
    item = asked.item()
    model = door.model(model_named(asked.model, door, TASK), item.payload, who.owner)
    options = asked.model_copy(update={"model": "/".join(model.key)})
    if destination is not None:
        return jsonify(_put(asked, door.submit(options, [item], who), destination))
    recall = Recall(model, item.payload, (STREAMED, asked.response_format), who)
    if entry := recall.found():
        return replayed(entry, asked, recall)
    return streamed(Spoken(door.submit(options, [item], who), asked, recall, start))


def streamed(spoken: Spoken) -> Response:
    """The reply, begun; it closes `spoken` at its end, and so does whatever this raises."""
    try:
        spoken.begin()
    except BaseException:
        spoken.close()
        raise
    response = Response(spoken.reply())
    response.call_on_close(spoken.close)
    response.headers.update(spoken.headers())
    return response


def replayed(entry: Entry, asked: SpeechBody, recall: Recall) -> Response:
    """The reply with what was sent before."""
    audio: bytes | Iterator[bytes] = entry.audio
    if asked.stream_format == "sse":
        audio = chain(_deltas(entry.audio, asked.response_format), [event(_done(asked, entry.about))])
    response = Response(audio)
    response.headers.update(_headers(entry.about, asked) | recall.headers(entry))
    return response


def voice_of(name: str | VoiceId | None, model: ModelSpec) -> str:
    """Who speaks, whatever the client called them; "default" where only the model knows its default."""
    described = requests(SPEAKING).preferred.description(model)
    own = None if described is None else described.about.default_voice
    return voice_named(name) or own or DEFAULT


def _put(asked: SpeechBody, jobs: Request, destination: Destination) -> dict[str, Any]:
    """Where the audio is, once it is all there. Raises why it is not."""
    with jobs, closing(uploaded(jobs, destination)) as outcomes:
        outcome = next(outcomes)
    if isinstance(outcome, SkylarkError):
        raise outcome
    return {"model": "/".join(jobs.model.key)} | linked(outcome, asked.response_format)


class Spoken:
    """The reply to one text: its job's audio, encoded as it comes, from the sample `start` on; `to_hz` is
    another sample rate than what the model and the format give.
    """

    def __init__(
        self, jobs: Request, asked: SpeechBody, recall: Recall, start: int = 0, to_hz: int | None = None
    ) -> None:
        self._jobs, self._asked, self._start, self._to_hz = jobs, asked, start, to_hz
        self._recall = recall
        self._held: bytearray | None = None if start or not recall.most_bytes else bytearray()
        """All that was sent, as long as it may be kept."""
        self._voice = voice_of(asked.voice, jobs.model)
        self._stream = jobs.stream()
        self._first: Chunk | Result | None = None
        self._encoder: StreamEncoder | None = None
        self._request_id = request_id()
        self._position = start if asked.response_format in POSITIONED else None
        self._words: list[Word] = []
        """Those that became known with the audio that is about to be sent."""

    def begin(self) -> None:
        """Waits for the first of the audio. Raises why there is none, while a typed reply is possible."""
        _, first = next(self._stream)
        if isinstance(first, SkylarkError):
            raise first
        self._first = first
        rate = first.sample_rate if isinstance(first, Chunk) else first["sample_rate"]
        self._encoder = StreamEncoder(self._asked.response_format, rate, to_hz=self._to_hz)

    @property
    def encoder(self) -> StreamEncoder:
        assert self._encoder is not None, "begin was not called"
        return self._encoder

    def headers(self) -> dict[str, str]:
        """`X-Finish-Reason` is there where the speech had ended by the time that its first byte is sent."""
        found = _headers(self._about(), self._asked) | self._recall.headers(None)
        found["X-Job-Id"] = self._jobs.job_ids[0]
        if isinstance(self._first, dict):
            found["X-Finish-Reason"] = self._first["finish_reason"]
        return found

    def reply(self) -> Iterator[bytes]:
        return self.events() if self._asked.stream_format == "sse" else self.audio()

    def _about(self) -> dict[str, Any]:
        return {
            "content_type": self.encoder.content_type,
            "sample_rate": self.encoder.sample_rate,
            "model": "/".join(self._jobs.model.key),
            "voice": self._voice,
        }

    def audio(self) -> Iterator[bytes]:
        """A failure breaks the reply off, for there is no other way to say so in it."""
        for what in self._pieces():
            if isinstance(what, bytes):
                yield what

    def events(self) -> Iterator[bytes]:
        """In pcm and wav a delta has an id, the sample after its last one: `from` there goes on.

        Each says which attempt it is of: who goes on after a job was begun again has another one's samples.
        """
        try:
            for what in self._pieces():
                attempt = self._jobs.attempt
                if isinstance(what, bytes):
                    yield _delta(what, self._position, self._words, attempt)
                    self._words = []
                else:
                    yield event(_done(self._asked, what) | {"attempt": attempt})
        except SkylarkError as error:
            yield failure(error, self._request_id)

    def close(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
        self._jobs.__exit__()

    def _pieces(self) -> Iterator[bytes | Result]:
        """Encoded audio without what is before the start, and at the end what the job's result says.

        Raises why it failed.
        """
        header, skip = HEADER_BYTES.get(self._asked.response_format, 0), self._start * BYTES_PER_SAMPLE
        for what in self._encoded():
            if not isinstance(what, bytes):
                self._keep(what)
                yield what
                continue
            self._hold(what)
            head, samples = what[:header], what[header:]
            header -= len(head)
            dropped = min(skip, len(samples))
            skip -= dropped
            if piece := head + samples[dropped:]:
                self._count(len(samples) - dropped)
                yield piece
            elif dropped:
                self._words = []  # whoever goes on from here has them, and the end tells all

    def _hold(self, piece: bytes) -> None:
        if self._held is not None:
            self._held += piece
            if len(self._held) > self._recall.most_bytes:
                self._held = None

    def _keep(self, result: Result) -> None:
        if self._held is not None:
            ended = {name: result[name] for name in TOLD_AT_THE_END}
            self._recall.keep(bytes(self._held), self._about() | ended)

    def _count(self, count: int) -> None:
        if self._position is not None:
            self._position += count // BYTES_PER_SAMPLE

    def _encoded(self) -> Iterator[bytes | Result]:
        assert self._first is not None
        for what in chain([self._first], (told for _, told in self._stream)):
            if isinstance(what, Chunk):
                self._words += what.words
                yield self.encoder.push(to_int16(what.samples))
            elif isinstance(what, SkylarkError):
                raise what
            else:
                yield self.encoder.finish()
                yield what


def _headers(about: dict[str, Any], asked: SpeechBody) -> dict[str, str]:
    found = {
        "Content-Type": EVENTS if asked.stream_format == "sse" else about["content_type"],
        "Cache-Control": "no-cache",
        "X-Accel-Buffering": "no",
        "X-Model": about["model"],
        "X-Sample-Rate": str(about["sample_rate"]),
        "X-Voice": about["voice"],
    }
    return found | ({"X-Finish-Reason": about["finish_reason"]} if "finish_reason" in about else {})


def _deltas(audio: bytes, format: str) -> Iterator[bytes]:
    """Of a whole reply, with the positions that it would have as it is made."""
    for start in range(0, len(audio), DELTA_BYTES):
        piece = audio[start : start + DELTA_BYTES]
        samples = max(0, start + len(piece) - HEADER_BYTES.get(format, 0)) // BYTES_PER_SAMPLE
        yield _delta(piece, samples if format in POSITIONED else None)


def _delta(
    audio: bytes, position: int | None = None, words: Sequence[Word] = (), attempt: int | None = None
) -> bytes:
    delta: dict[str, Any] = {"type": "speech.audio.delta", "audio": base64.b64encode(audio).decode()}
    if words:
        delta["words"] = [word.model_dump() for word in words]
    if attempt is not None:
        delta["attempt"] = attempt
    return event(delta, position)


def _done(asked: SpeechBody, result: Result) -> dict[str, Any]:
    sent = -(-len(asked.input) // CHARS_PER_TOKEN)
    usage = {"input_tokens": sent, "output_tokens": 0, "total_tokens": sent}
    about = {name: result[name] for name in TOLD_AT_THE_END if name in result}  # older entries lack the words
    return {"type": "speech.audio.done", "usage": usage} | about
