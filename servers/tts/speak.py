"""POST /v1/tts: one text to audio, in the reply, a file or a bucket, or as it is made; GET /v1/audio/<id>."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from uuid import UUID, uuid4

from flask import Blueprint, Flask, Response, current_app, jsonify, request, url_for
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import FileWrapper

from servers.audio.encode import FORMATS, content_type, encode_file
from servers.errors import InvalidRequest, NotFound, RangeNotSatisfiable, SkylarkError
from servers.jobs.request import Done, Item, Request, Requester
from servers.jobs.requests import Requests
from servers.jobs.to_bucket import Destination, put
from servers.openai.listings import told_about
from servers.openai.names import DEFAULT, voice_named
from servers.openai.speech import STREAMED, Spoken, replayed, streamed
from servers.settings import Settings, settings
from servers.speech import ModelSpec
from servers.spoken.recall import Recall
from servers.storage import storing
from servers.tts.backlog import Backlog, Place, backlog_s, places_of
from servers.tts.body import TtsBody
from servers.tts.generated import GeneratedAudio
from servers.tts.names import speaking_model
from servers.web import errors
from servers.web.auth import current_owner
from servers.web.body import json_body
from servers.web.failures import OF_BUCKETS, OF_SPEAKING
from servers.web.openapi import JSON, operation
from servers.web.replies import base64_of, dumps
from servers.web.request_ids import request_id
from servers.web.requester import NAMED, requester, requests
from servers.web.resume import FROM, ResumedQuery, requested_start

bp = Blueprint("speak", __name__)
BACKLOG, GENERATED = "skylark.tts_backlog", "skylark.generated_audio"
WHOLE = "whole"
SOUNDS = tuple(format.content_type for format in FORMATS.values())
IN_MEMORY = 4_194_304
"""Bytes of audio that are sent with a Content-Length; more is kept in a file, and sent in pieces."""
FILE = "file"
JOB_ID = "X-Job-Id"
RANGE = {
    "Range": {"type": "string", "description": "the bytes that are wanted, as bytes=0-99"},
    "If-None-Match": {"type": "string", "description": "the ETag of what the client has"},
}


def install(app: Flask, settings: Settings) -> None:
    limit = settings.tts.max_queue_size if settings.tts.scalable_mode else None
    app.extensions[BACKLOG] = Backlog(limit)
    app.extensions[GENERATED] = GeneratedAudio(settings.generated_audio, settings.tts.keep_audio_s)


@dataclass(frozen=True)
class Order:
    """What is to be spoken, by which model, for whom, at which rate, into which bucket, from which sample."""

    asked: TtsBody
    item: Item
    model: ModelSpec
    who: Requester
    rate: int
    destination: Destination | None
    start: int

    def recall(self) -> Recall:
        how = STREAMED if self.asked.stream else WHOLE
        return Recall(self.model, self.item.payload, (how, self.asked.format, self.rate), self.who)

    def submit(self, door: Requests) -> Request:
        options = self.asked.model_copy(update={"model": "/".join(self.model.key)})
        return door.submit(options, [self.item], self.who, live=self.asked.stream)


@bp.post("/v1/tts")
@operation(
    "Speak one text, in the reply, into a file or a bucket, or as it is made",
    body=TtsBody,
    query=ResumedQuery,
    headers=NAMED,
    replies=(JSON, *SOUNDS),
    errors=(*OF_SPEAKING, *OF_BUCKETS),
)
def tts() -> Response:
    door = requests()
    order = _order(json_body(TtsBody), door)
    recall = order.recall()
    if entry := recall.found():
        if order.asked.stream:
            return replayed(entry, order.asked.as_speech(), recall)
        return _reply(order, io.BytesIO(entry.audio), entry.about, recall.headers(entry), cached=True)
    backlog: Backlog = current_app.extensions[BACKLOG]
    places = places_of(order.model, settings())
    place = backlog.enter(order.model.key, places, lambda: backlog_s(door, order.model, places))
    try:
        response = _spoken(order, door, recall, place)
    except BaseException:
        place.leave()
        raise
    return _at_the_end(response, place.leave)


def _order(asked: TtsBody, door: Requests) -> Order:
    """Raises what is wrong with it."""
    asked.check(door.limits, settings().tts)
    item = asked.item()
    who, rate = requester(), asked.rate(settings().tts.default_sample_rate)
    model = door.model(speaking_model(asked.model, door), item.payload, who.owner)
    destination = asked.destination(asked.format, 1, who.owner)
    return Order(asked, item, model, who, rate, destination, _start(asked, who))


def _start(asked: TtsBody, who: Requester) -> int:
    """Raises InvalidRequest where something else than a stream is to be gone on with."""
    start = requested_start(asked.format, "format", who)
    if start and not asked.stream:
        raise InvalidRequest(f"{FROM!r} is for a stream", param=FROM)
    return start


def _spoken(order: Order, door: Requests, recall: Recall, place: Place) -> Response:
    jobs = order.submit(door)
    if order.asked.stream:
        return streamed(Spoken(jobs, order.asked.as_speech(), recall, order.start, to_hz=order.rate))
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed with the response
    try:
        about = _written(jobs, order, file)
        _kept(recall, file, about)
        if order.destination is not None:
            place.leave()  # a store that is slow keeps nobody from the model
        headers = recall.headers(None) | {JOB_ID: jobs.job_ids[0]}
        response = _reply(order, file, about, headers, cached=False)
    except BaseException:
        file.close()
        raise
    return _at_the_end(response, file.close)


def _at_the_end(response: Response, do: Callable[[], object]) -> Response:
    """Does it now where the reply is there whole, otherwise once it was sent."""
    if response.is_streamed:
        response.call_on_close(do)
    else:
        do()
    return response


def _written(jobs: Request, order: Order, file: IO[bytes]) -> dict[str, Any]:
    """Writes the audio, and returns what the reply says of it. Raises why there is none."""
    with jobs:
        outcomes = jobs.outcomes()
        outcome = next(outcomes)  # whose samples are there until another is asked for
        if isinstance(outcome, SkylarkError):
            raise outcome
        with storing("the audio of a text"):
            encode_file(
                outcome.pcm, outcome.result["sample_rate"], order.asked.format, file, to_hz=order.rate
            )
    return _about(order, outcome)


def _about(order: Order, done: Done) -> dict[str, Any]:
    result = done.result
    return {
        "format": order.asked.format,
        "sample_rate": order.rate,
        "duration_s": result["duration_s"],
        "model": "/".join(order.model.key),
        "voice": _voice(order),
        "words": result["words"],
        "finish_reason": result["finish_reason"],
        "ignored": result.get("ignored", []),
    }


def _voice(order: Order) -> str:
    """The model has spoken, and knows who does so by default."""
    about = told_about(order.model, requests())
    return voice_named(order.asked.voice) or (about and about.default_voice) or DEFAULT


def _kept(recall: Recall, file: IO[bytes], about: dict[str, Any]) -> None:
    if file.seek(0, os.SEEK_END) <= recall.most_bytes:
        file.seek(0)
        recall.keep(file.read(), about)
    file.seek(0)


def _reply(
    order: Order, audio: IO[bytes], about: dict[str, Any], headers: dict[str, str], *, cached: bool
) -> Response:
    """As the request has it, or the settings: the audio in the reply, or where it is."""
    audio_id = uuid4()
    before, after = {"id": str(audio_id), "request_id": request_id()}, about | {"cached": cached}
    if order.destination is not None:
        job_id = headers.get(JOB_ID)
        there = put(audio, order.destination, job_id or str(audio_id), order.who.connected, job_id)
        response = jsonify(before | vars(there) | {"job_id": job_id} | after)
    elif (order.asked.output_mode or settings().tts.output_mode) == FILE:
        generated: GeneratedAudio = current_app.extensions[GENERATED]
        name = generated.keep(order.who.owner, audio_id, order.asked.format, audio)
        where = {"url": url_for("speak.audio", audio_id=audio_id), "file": name}
        response = jsonify(before | where | after)
    else:
        size = audio.seek(0, os.SEEK_END)
        audio.seek(0)
        pieces = _json(before, audio, after)
        body = pieces if size > IN_MEMORY else b"".join(pieces)
        response = Response(body, mimetype="application/json")
    response.headers.update(headers)
    return response


def _json(before: dict[str, Any], audio: IO[bytes], after: dict[str, Any]) -> Iterator[bytes]:
    yield dumps(before)[:-1] + b',"audio":"'
    yield from base64_of(audio)
    yield b'",' + dumps(after)[1:] + b"\n"


@bp.get("/v1/audio/<uuid:audio_id>")
@operation(
    "The file that it was spoken into, or a range of its bytes",
    headers=RANGE,
    replies=SOUNDS,
    successes=(HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED),
    errors=(NotFound, RangeNotSatisfiable),
)
def audio(audio_id: UUID) -> Response:
    """All of it, or the range of bytes that the client has asked for."""
    generated: GeneratedAudio = current_app.extensions[GENERATED]
    file, format = generated.open(current_owner(), audio_id)
    found = os.fstat(file.fileno())
    response = Response(FileWrapper(file), content_type=content_type(format), direct_passthrough=True)
    response.content_length = found.st_size
    response.last_modified = datetime.fromtimestamp(found.st_mtime, UTC)
    response.cache_control.private = True
    response.set_etag(str(audio_id))
    response.call_on_close(file.close)
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=found.st_size)
    except RequestedRangeNotSatisfiable:
        file.close()
        error = errors.reply(RangeNotSatisfiable(f"it has {found.st_size} bytes", param="Range"))
        error.headers["Content-Range"] = f"bytes */{found.st_size}"
        return error
    return response
