"""Recordings on their way to the engine: checked, kept on the disk while their jobs last, then removed."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from flask import current_app
from werkzeug.datastructures import FileStorage

from servers.audio.files import probe
from servers.errors import AudioTooLong, InvalidRequest, MalformedBody, TooLarge, UnsupportedAudio
from servers.jobs.uploads import Uploads
from servers.settings import Limits
from servers.whisperx.requests import Reading, Recording, Take, Task

EXTENSION = "skylark.uploads"


@contextmanager
def queued(
    task: Task, recordings: Sequence[Take], fields: Sequence[str], limits: Limits
) -> Iterator[list[dict[str, Any]]]:
    """A job's payload for each recording; inside the block their audio is on the disk.

    `fields` are the names under which each audio was sent, for the errors: all are checked before one is
    saved. Raises MalformedBody, UnsupportedAudio, AudioTooLong or TooLarge.
    """
    streams = [checked(each, field, limits) for each, field in zip(recordings, fields, strict=True)]
    uploads: Uploads = current_app.extensions[EXTENSION]
    saved: list[Path] = []
    try:
        for stream in streams:
            saved.append(uploads.save(stream))
        yield [
            {"task": task, "audio_path": str(path)} | recording.told()
            for path, recording in zip(saved, recordings, strict=True)
        ]
    finally:
        for path in saved:
            uploads.discard(path)


def checked(recording: Take, field: str, limits: Limits) -> BinaryIO:
    """The audio as a stream at its start, once its kind, its length and the text with it are possible."""
    if isinstance(recording, Reading) and len(recording.text) > limits.max_text_chars:
        message = f"{len(recording.text)} characters; at most {limits.max_text_chars} are possible"
        raise TooLarge(message, param=names_of(field)["text"])
    stream = _stream(recording.audio, field)
    try:
        duration_s = probe(stream).duration_s
    except UnsupportedAudio as error:
        raise UnsupportedAudio(error.message, param=field) from None
    if duration_s > limits.max_audio_s:
        message = f"{duration_s:.0f} s of audio; at most {limits.max_audio_s:g} s are possible"
        raise AudioTooLong(message, param=field)
    return stream


def _stream(audio: str | FileStorage, field: str) -> BinaryIO:
    if isinstance(audio, FileStorage):
        return cast(BinaryIO, audio.stream)
    if not audio:
        raise InvalidRequest(f"{field!r} is empty", param=field)
    try:
        return io.BytesIO(base64.b64decode(audio, validate=True))
    except (binascii.Error, ValueError):
        raise MalformedBody(f"{field!r} is not base64", param=field) from None


def names_of(field: str) -> dict[str, str]:
    """What a payload's fields are called in the request, its audio being called `field`: items.2.audio."""
    parent = field.rpartition(".")[0]
    beside = f"{parent}." if parent else ""
    told = (Recording.model_fields | Reading.model_fields).keys() - {"audio"}
    return {"audio_path": field} | {name: f"{beside}{name}" for name in told}
