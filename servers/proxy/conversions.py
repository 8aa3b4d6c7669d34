"""POST /api/encode and /api/subtitles: what a page has becomes a file. It asks no upstream."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Literal, cast

from flask import Blueprint, Response, request
from pydantic import Field

from servers.audio.encode import BYTES_PER_SAMPLE, check_format, encode_file, nearest_rate
from servers.errors import AudioTooLong, MalformedBody, StorageFailed, TooLarge, TooManyStreams
from servers.limits import check_audio
from servers.proxy.bodies import MOST_JSON_BYTES
from servers.proxy.failures import OF_CHANGES
from servers.proxy.streams import in_hand, streams
from servers.proxy.visitors import visitor
from servers.settings import settings
from servers.speech import Noun, Word
from servers.storage import storing
from servers.text.subtitles import CONTENT_TYPES, cues, srt, vtt
from servers.web.body import json_body
from servers.web.failures import OF_BODIES
from servers.web.openapi import operation
from servers.web.query import Query

bp = Blueprint("conversions", __name__)
IN_MEMORY = 1_048_576
PIECE = 65_536
WRITERS = {"srt": srt, "vtt": vtt}


class Encoding(Query):
    """What POST /api/encode takes."""

    format: Annotated[Literal["wav", "mp3", "flac", "opus"], Field(description="of the file")] = "wav"
    sample_rate: Annotated[
        int,
        Field(ge=1_000, le=192_000, description="of the samples; the nearest that the format has is taken"),
    ]


Time = Annotated[float, Field(ge=0, le=1_000_000)]


class TimedWord(Word):
    """With times in seconds that a recording can have."""

    start: Time
    end: Time


class Subtitles(Noun):
    """The body: `words` are timed, and `text`, if it is there, is what they are of, as it is written."""

    words: list[TimedWord] = Field(max_length=200_000)
    format: Literal["srt", "vtt"]
    language: str | None = None
    text: str | None = None


@bp.post("/api/encode")
@operation(
    "Samples as a file: the body is little-endian int16, mono",
    query=Encoding,
    replies=("audio/wav", "audio/mpeg", "audio/flac", "audio/ogg"),
    errors=(*OF_BODIES, *OF_CHANGES, AudioTooLong, TooManyStreams, StorageFailed),
)
def encode() -> Response:
    asked = Encoding.of_request()
    samples, odd = divmod(request.content_length or 0, BYTES_PER_SAMPLE)
    if odd:
        raise MalformedBody("half of a sample: the body is int16")
    check_audio(samples / asked.sample_rate, settings().limits.max_audio_s, "body")
    chosen = check_format(asked.format)
    leave = streams().enter(visitor())
    try:
        file = _encoded(asked, nearest_rate(asked.sample_rate, chosen.rates))
    except BaseException:
        leave()
        raise
    response = Response(_pieces(file), content_type=chosen.content_type)
    response.content_length = file.seek(0, 2)
    response.call_on_close(file.close)
    response.call_on_close(leave)
    return response


@bp.post("/api/subtitles")
@operation(
    "Timed words as subtitles",
    body=Subtitles,
    replies=tuple(CONTENT_TYPES.values()),
    errors=(*OF_CHANGES, TooLarge, TooManyStreams),
)
def subtitles() -> Response:
    request.max_content_length = MOST_JSON_BYTES
    with in_hand():
        asked = json_body(Subtitles)
        made = WRITERS[asked.format](cues(asked.words, asked.text, asked.language))
    return Response(made, content_type=CONTENT_TYPES[asked.format])


def _encoded(asked: Encoding, to_hz: int) -> IO[bytes]:
    """A file of its own. Raises StorageFailed."""
    file = cast(IO[bytes], SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  # its reply closes it
    try:
        with storing("the file"):
            encode_file(request.stream, asked.sample_rate, asked.format, file, to_hz=to_hz)
    except BaseException:
        file.close()
        raise
    return file


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    yield from iter(lambda: file.read(PIECE), b"")
