"""What clients may send: one recording, as JSON or as a form, or many in JSON; with a text to align it to."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from flask import request
from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError
from werkzeug.datastructures import FileStorage

from servers.errors import InvalidRequest
from servers.speech import Noun, Prompt, Speakers, Temperature, Text
from servers.web.body import json_body
from servers.web.errands import Order

FILE = "file"
FORM = "multipart/form-data"
Task = Literal["transcribe", "align"]


def _sent(audio: object) -> str | FileStorage:
    if isinstance(audio, str | FileStorage):
        return audio
    raise PydanticCustomError("base64", "Input should be base64 text")


class Take(Noun):
    """`audio` is base64 text from JSON, or the file of a form."""

    audio: Annotated[str | FileStorage, PlainValidator(_sent)]
    language: str | None = None

    def told(self) -> dict[str, Any]:
        """What a job is told besides the audio: what was sent, for a model refuses what it does not know."""
        return self.model_dump(exclude={"audio", *Order.model_fields}, exclude_none=True)


class Recording(Take):
    """What is not sent is the model's own default."""

    prompt: Prompt | None = None
    temperature: Temperature | None = None
    words: bool | None = None
    translate: bool | None = None
    diarize: bool | None = None
    min_speakers: Speakers | None = None
    max_speakers: Speakers | None = None


class Reading(Take):
    text: Text


class Transcription(Order, Recording):
    """The body of /transcribe."""


class Alignment(Order, Reading):
    """The body of /align."""


class Transcriptions(Order):
    """The body of /transcribe_batch."""

    items: list[Recording] = Field(min_length=1)


class Alignments(Order):
    """The body of /align_batch."""

    items: list[Reading] = Field(min_length=1)


R = TypeVar("R", bound=Take)


def one_recording(noun: type[R]) -> tuple[R, str]:
    """The request, from a form or from JSON, and the field that its audio came in.

    Raises MalformedBody, or InvalidRequest naming the field.
    """
    if request.mimetype != FORM:
        return json_body(noun), "audio"
    for name in request.files:
        if name != FILE:
            raise InvalidRequest(f"unknown file {name!r}; the recording is sent as {FILE!r}", param=name)
    if FILE not in request.files:
        raise InvalidRequest(f"{FILE!r} is required", param=FILE)
    if "audio" in request.form:
        raise InvalidRequest(f"a form's recording is sent as {FILE!r}", param="audio")
    return noun.parse(request.form.to_dict() | {"audio": request.files[FILE]}), FILE
