"""Recordings on their way to the engine: checked, and on the disk while their jobs need them."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, TypeVar, cast

from flask import Flask, current_app, request
from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from werkzeug.datastructures import FileStorage, MultiDict

from servers.audio.files import probe
from servers.errors import InvalidRequest, MalformedBody
from servers.jobs.request import Item, Requester
from servers.jobs.requests import QueueOptions
from servers.jobs.uploads import Uploads
from servers.limits import check_texts
from servers.settings import Limits, settings
from servers.speech import Noun
from servers.web.body import form_parts, json_body
from servers.web.openapi import FORM

EXTENSION = "skylark.uploads"
FILE = "file"
"""What a form calls its recording."""
BASE64 = {"type": "string", "minLength": 1, "contentEncoding": "base64"}
Base64 = Annotated[str, WithJsonSchema(BASE64)]


def _sent(audio: object) -> str | FileStorage:
    if isinstance(audio, str | FileStorage):
        return audio
    raise PydanticCustomError("base64", "Input should be base64 text")


class Recording(Noun):
    """A recording that a client sends: `audio` is base64 text from JSON, or the file of a form."""

    audio: Annotated[str | FileStorage, PlainValidator(_sent), WithJsonSchema(BASE64)]


class AudioItem(Recording):
    """A recording that a job is about."""

    task: ClassVar[str]
    not_options: ClassVar[frozenset[str]] = frozenset({"audio"} | QueueOptions.model_fields.keys())
    """What is the server's affair, and not the model's."""

    language: str | None = None

    def payload(self, audio_path: str) -> dict[str, Any]:
        """Its job's: what was sent and nothing else, for a model refuses what it does not know."""
        options = self.model_dump(exclude=set(self.not_options), exclude_none=True)
        return {"task": self.task, "audio_path": audio_path} | options

    def field_names(self, field: str) -> dict[str, str]:
        """What a payload's fields are called in the request, where its audio is `field`: items.2.audio."""
        parent = field.rpartition(".")[0]
        beside = f"{parent}." if parent else ""
        options = type(self).model_fields.keys() - {"audio"}
        return {"audio_path": field} | {name: f"{beside}{name}" for name in options}


R = TypeVar("R", bound=Recording)


def install(app: Flask) -> None:
    app.extensions[EXTENSION] = Uploads(settings().data_dir)


def recording_form() -> tuple[MultiDict[str, str], FileStorage]:
    """The fields of a form, and the recording that is its file.

    Raises InvalidRequest where it has no file called FILE, or another; and StorageFailed.
    """
    fields, files = form_parts()
    for name in files:
        if name != FILE:
            raise InvalidRequest(f"unknown file {name!r}; the recording is sent as {FILE!r}", param=name)
    if FILE not in files:
        raise InvalidRequest(f"{FILE!r} is required, as a file of a form", param=FILE)
    if "audio" in fields:
        raise InvalidRequest(f"a form's recording is sent as {FILE!r}", param="audio")
    return fields, files[FILE]


def form_or_json(noun: type[R]) -> tuple[R, str]:
    """The body with one recording, from a form or from JSON, and the field that its audio came in.

    Raises MalformedBody, StorageFailed, or InvalidRequest naming the field.
    """
    if request.mimetype != FORM:
        return json_body(noun), "audio"
    fields, file = recording_form()
    return noun.parse(fields.to_dict() | {"audio": file}), FILE


def saved(sent: Mapping[str, AudioItem], requester: Requester, limits: Limits) -> list[Item]:
    """A job's item for each recording, by the name of the field that its audio came in, with its file saved.

    All are checked before one is saved. Raises MalformedBody, UnsupportedAudio, AudioTooLong, TooLarge or
    StorageFailed.
    """
    streams = {field: checked(each, field, limits) for field, each in sent.items()}
    uploads: Uploads = current_app.extensions[EXTENSION]
    items: list[Item] = []
    try:
        for index, (field, each) in enumerate(sent.items()):
            path = uploads.save(streams[field], identity=_identity(requester, index))
            names = each.field_names(field)
            items.append(Item(each.payload(str(path)), names, partial(uploads.discard, path)))
    except BaseException:
        if requester.idempotency_key is None:
            for item in items:
                item.release()
        raise
    return items


class Reference:
    """A clip on the disk that `count` jobs need: it goes once each has released it."""

    def __init__(self, path: Path, uploads: Uploads, count: int) -> None:
        self.path = path
        self._uploads, self._needed_by = uploads, count

    def release(self) -> None:
        self._needed_by -= 1
        if self._needed_by == 0:
            self._uploads.discard(self.path)


def saved_reference(clip: BinaryIO, count: int, requester: Requester) -> Reference:
    """The clip, saved for the so many jobs of a request. Raises StorageFailed."""
    uploads: Uploads = current_app.extensions[EXTENSION]
    return Reference(uploads.save(clip, identity=_identity(requester, 0)), uploads, count)


def _identity(requester: Requester, index: int) -> tuple[str, ...] | None:
    """The same request again, by its key, has the same files: they are in its jobs' payloads."""
    if requester.idempotency_key is None:
        return None
    return requester.owner or "", requester.job_key(index)


def checked(item: AudioItem, field: str, limits: Limits) -> BinaryIO:
    """The audio as a stream at its start, once its kind, its length and the text with it are possible."""
    text = getattr(item, "text", None)
    if text is not None:
        check_texts(text, limits, item.field_names(field)["text"])
    stream = audio_stream(item, field)
    probe(stream, param=field)
    return stream


def audio_stream(sent: Recording, field: str) -> BinaryIO:
    """Its bytes; `field` is what the client calls it. Raises InvalidRequest and MalformedBody."""
    if isinstance(sent.audio, FileStorage):
        return cast(BinaryIO, sent.audio.stream)
    return decoded(sent.audio, field)


def decoded(audio: str, field: str) -> BinaryIO:
    """Base64 as bytes. Raises InvalidRequest and MalformedBody."""
    if not audio:
        raise InvalidRequest(f"{field!r} is empty", param=field)
    try:
        return io.BytesIO(base64.b64decode(audio, validate=True))
    except (binascii.Error, ValueError):
        raise MalformedBody(f"{field!r} is not base64", param=field) from None
