"""POST /v1/audio/transcriptions and /v1/audio/translations: a recording to text, subtitles or timed words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal

from flask import Blueprint, Response
from pydantic import Field

from servers.errors import InvalidRequest, SkylarkError
from servers.jobs.request import BegunAgain, Done, Request, Result
from servers.jobs.requests import QueueOptions
from servers.openai import errors
from servers.openai.deltas import Deltas
from servers.openai.errors import operation
from servers.openai.names import model_named
from servers.openai.server_sent_events import EVENTS, event, failure
from servers.speech import Prompt, Segment, Temperature
from servers.text.languages import NAMES
from servers.text.subtitles import CONTENT_TYPES, subtitles
from servers.web.door import LISTENING
from servers.web.failures import OF_LISTENING
from servers.web.openapi import JSON
from servers.web.recordings import FILE, AudioItem, recording_form, saved
from servers.web.request_ids import request_id
from servers.web.requester import NAMED, requester, requests

bp = Blueprint("openai_transcriptions", __name__)
errors.install(bp)
GRANULARITIES = "timestamp_granularities[]"
TRANSCRIBE = "transcribe"
Granularity = Literal["word", "segment"]
WITH_SPEAKERS = "diarized_json"
WORDS = "words"
"""The field of a payload that asks for the time of each word, where the model can be told not to give it."""


class RecordingForm(QueueOptions, AudioItem):
    """What both endpoints take; `audio` is the form's file."""

    task = TRANSCRIBE
    not_options = AudioItem.not_options | {"response_format", "stream", "granularities"}

    prompt: Prompt | None = None
    temperature: Temperature | None = None
    response_format: str = "json"

    @property
    def translated(self) -> bool:
        return False

    @property
    def tells_times(self) -> bool:
        """Whether the reply depends on when its words are said: to know that takes a seventh of the time."""
        return self.response_format not in ("json", "text")

    def field_names(self, field: str) -> dict[str, str]:
        """What a model cannot do was asked for by the format, or by the endpoint."""
        return super().field_names(field) | {"diarize": "response_format", "translate": "model"}


class TranscriptionForm(RecordingForm):
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] = "json"
    stream: bool = False
    granularities: Annotated[tuple[Granularity, ...], Field(alias=GRANULARITIES)] = ()

    def check(self) -> None:
        """Raises InvalidRequest for what does not go together."""
        if self.granularities and self.response_format != "verbose_json":
            message = f"{GRANULARITIES} is for verbose_json, and not for {self.response_format}"
            raise InvalidRequest(message, param=GRANULARITIES)
        if self.stream and self.response_format not in ("json", "text", WITH_SPEAKERS):
            message = f"a stream is of json, text or {WITH_SPEAKERS}, and not of {self.response_format}"
            raise InvalidRequest(message, param="response_format")

    @property
    def tells_times(self) -> bool:
        """A stream is sent sentence by sentence."""
        return self.stream or super().tells_times

    def payload(self, audio_path: str) -> dict[str, Any]:
        speakers = {"diarize": True} if self.response_format == WITH_SPEAKERS else {}
        return super().payload(audio_path) | speakers


class TranslationForm(RecordingForm):
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"

    def payload(self, audio_path: str) -> dict[str, Any]:
        return super().payload(audio_path) | {"translate": True}

    @property
    def translated(self) -> bool:
        return True


@bp.post("/v1/audio/transcriptions")
@operation(
    "What is said in a recording",
    form=TranscriptionForm,
    headers=NAMED,
    replies=(JSON, "text/plain", *CONTENT_TYPES.values(), EVENTS),
    errors=OF_LISTENING,
)
def transcriptions() -> Response | dict[str, Any]:
    form = _form(TranscriptionForm)
    form.check()
    jobs = _submitted(form, segments=form.stream)
    if form.stream:
        response = Response(_events(jobs, form, request_id()), content_type=EVENTS)
        response.headers.update({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        response.call_on_close(lambda: jobs.__exit__())  # also where nobody has read the first line
        return response
    with jobs:
        return _reply(jobs.result(), form)


@bp.post("/v1/audio/translations")
@operation(
    "The same in English",
    form=TranslationForm,
    headers=NAMED,
    replies=(JSON, "text/plain", *CONTENT_TYPES.values()),
    errors=OF_LISTENING,
)
def translations() -> Response | dict[str, Any]:
    form = _form(TranslationForm)
    with _submitted(form) as jobs:
        return _reply(jobs.result(), form)


def _form(kind: type[Any]) -> Any:
    """Raises InvalidRequest naming the field, and StorageFailed."""
    fields, file = recording_form()
    given: dict[str, Any] = fields.to_dict()
    listed = [name for name in (GRANULARITIES, GRANULARITIES[:-2]) if name in fields]
    for name in listed:
        del given[name]
    if listed:
        given[GRANULARITIES] = fields.getlist(listed[0])
    return kind.parse(given | {"audio": file})


def _submitted(form: RecordingForm, *, segments: bool = False) -> Request:
    door, who = requests(LISTENING), requester()
    model = door.model(model_named(form.model, door, TRANSCRIBE), form.payload(""))
    options = form.model_copy(update={"model": "/".join(model.key)})
    items = saved({FILE: form}, who, door.limits)
    if not form.tells_times and door.takes(model, TRANSCRIBE, WORDS):
        items = [replace(item, payload=item.payload | {WORDS: False}) for item in items]
    return door.submit(options, items, who, segments=segments)


def _reply(result: Result, form: RecordingForm) -> Response | dict[str, Any]:
    match form.response_format:
        case "text":
            return Response(result["text"] + "\n", content_type="text/plain; charset=utf-8")
        case "srt" | "vtt":
            format = form.response_format
            return Response(subtitles(result, format), content_type=CONTENT_TYPES[format])
        case "verbose_json":
            return _verbose(result, form)
        case "diarized_json":
            return _diarized(result)
        case _:
            return {"text": result["text"], "usage": _usage(result)}


def _verbose(result: Result, form: RecordingForm) -> dict[str, Any]:
    granularities = getattr(form, "granularities", ())
    reply = {
        "task": "translate" if form.translated else TRANSCRIBE,
        "language": NAMES.get(result["language"].partition("-")[0], result["language"]),
        "duration": result["duration_s"],
        "text": result["text"],
        "usage": _usage(result),
    }
    if not granularities or "segment" in granularities:
        reply["segments"] = [_segment(index, each, form) for index, each in enumerate(result["segments"])]
    if "word" in granularities:
        reply["words"] = [{name: word[name] for name in ("word", "start", "end")} for word in result["words"]]
    return reply


def _segment(index: int, segment: dict[str, Any], form: RecordingForm) -> dict[str, Any]:
    """What a model does not tell is 0, for OpenAI's clients take it for a number; tokens are never told."""
    told = {name: segment[name] or 0.0 for name in ("avg_logprob", "compression_ratio", "no_speech_prob")}
    text = {name: segment[name] for name in ("start", "end", "text")}
    return {"id": index, "seek": 0, "tokens": [], "temperature": form.temperature or 0.0} | text | told


def _diarized(result: Result) -> dict[str, Any]:
    segments = [
        {"type": "transcript.text.segment", "id": f"seg_{index}", "speaker": each["speaker"] or "unknown"}
        | {name: each[name] for name in ("start", "end", "text")}
        for index, each in enumerate(result["segments"])
    ]
    about = {"task": TRANSCRIBE, "duration": result["duration_s"], "text": result["text"]}
    return about | {"segments": segments, "usage": _usage(result)}


def _usage(result: Result) -> dict[str, Any]:
    return {"type": "duration", "seconds": result["duration_s"]}


def _events(jobs: Request, form: TranscriptionForm, request_id: str) -> Iterator[bytes]:
    """The text as its segments are heard, where the model tells them; and who says them, which is known at
    the end.
    """
    deltas = Deltas()
    try:
        for told in jobs.told():
            match told:
                case Segment():
                    yield from _delta(deltas, told.text)
                case BegunAgain():
                    deltas.begin_again()
                case Done():
                    yield from _ending(deltas, told.result, form)
                case SkylarkError():
                    raise told
    except SkylarkError as error:
        yield failure(error, request_id)


def _ending(deltas: Deltas, result: Result, form: TranscriptionForm) -> Iterator[bytes]:
    """What was not sent yet of the text, and that it is whole."""
    reply = _diarized(result)
    deltas.begin_again()
    for segment in reply["segments"]:
        if form.response_format == WITH_SPEAKERS:
            yield event(segment)
        yield from _delta(deltas, segment["text"])
    yield event({"type": "transcript.text.done", "text": result["text"], "usage": reply["usage"]})


def _delta(deltas: Deltas, text: str) -> Iterator[bytes]:
    if delta := deltas.add(text):
        yield event({"type": "transcript.text.delta", "delta": delta})
