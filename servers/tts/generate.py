"""POST /generate_batch: texts to audio, all of one request's in one reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, Literal

from flask import Blueprint, Response
from pydantic import Field

from servers.audio.encode import check_format, encode_file
from servers.audio.reference import clip_length_s
from servers.errors import AudioTooLong, InvalidRequest, SkylarkError, UnsupportedAudio
from servers.jobs.request import Done, Item, Requester
from servers.jobs.requests import QueueOptions
from servers.jobs.to_bucket import Uploaded, uploaded
from servers.limits import check_count, check_texts, check_together
from servers.settings import Limits
from servers.speech import Speed
from servers.storage import storing
from servers.web.batch import BATCH_REPLIES, Outcome, batch_reply
from servers.web.body import json_body
from servers.web.described import described, linked
from servers.web.failures import OF_BUCKETS, OF_SPEAKING
from servers.web.openapi import operation
from servers.web.recordings import Base64, Reference, decoded, saved_reference
from servers.web.replies import base64_of, dumps
from servers.web.requester import NAMED, requester, requests
from servers.web.s3_output import S3Output

bp = Blueprint("generate", __name__)
IN_MEMORY = 1_048_576
"""Bytes of a text's encoded audio; more is kept in a file."""
ALONE = ""
"""The batch key of a text that is not to share the model with another."""


class Generation(QueueOptions, S3Output):
    """The body. `instruct` is for all texts, `instructs` has one for each."""

    texts: list[str] = Field(min_length=1)
    instruct: str | None = None
    instructs: list[str | None] | None = None
    batch: Annotated[bool, Field(strict=True)] = False
    """Whether several texts may share the model, with each other and with whoever else waits."""
    voice: str | None = None
    language: str | None = None
    speed: Speed | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """The same one again makes the same audio again, with a model that draws lots."""
    format: Literal["wav", "flac", "mp3", "opus", "aac", "pcm"] = "wav"
    reference_audio: Base64 | None = None
    """The clip whose voice speaks, for this request alone; POST /v1/voices keeps one."""
    reference_text: str | None = None
    """The words of the clip."""
    x_vector_only: Annotated[bool, Field(strict=True)] = False
    """Take the timbre of the clip alone, without its words, where the model can."""

    def check(self, limits: Limits) -> None:
        """Raises InvalidRequest or TooLarge naming the field, down to the text at fault, and MissingExtra
        where the format cannot be written.
        """
        check_format(self.format)
        check_count(len(self.texts), limits, "texts")
        check_texts(self.texts, limits, "texts")
        check_together(self.texts, limits, "texts")
        self._check_reference(limits)
        if self.instructs is None:
            return
        if self.instruct is not None:
            raise InvalidRequest("give instruct or instructs, not both", param="instructs")
        if len(self.instructs) != len(self.texts):
            message = f"{len(self.instructs)} instructs for {len(self.texts)} texts"
            raise InvalidRequest(message, param="instructs")

    def _check_reference(self, limits: Limits) -> None:
        check_texts(self.reference_text, limits, "reference_text")
        if self.reference_audio is None:
            for name in ("reference_text", "x_vector_only"):
                if getattr(self, name):
                    raise InvalidRequest(
                        f"{name!r} is about a reference_audio, and there is none", param=name
                    )
        elif self.voice is not None:
            raise InvalidRequest("give voice or reference_audio, not both", param="reference_audio")

    def items(self, reference: Reference | None) -> list[Item]:
        """One synthesize job for each text, and what the payload's fields are called in the body."""
        given = {"voice": self.voice, "language": self.language, "speed": self.speed, "seed": self.seed}
        if reference is not None:
            given |= {"reference_audio_path": str(reference.path), "reference_text": self.reference_text}
            given |= {"x_vector_only": self.x_vector_only or None}
        shared = {"task": "synthesize"} | {name: value for name, value in given.items() if value is not None}
        release = reference.release if reference is not None else _nothing
        return [self._item(index, shared, release) for index in range(len(self.texts))]

    def _item(self, index: int, shared: Mapping[str, Any], release: Callable[[], None]) -> Item:
        payload = {**shared, "text": self.texts[index]}
        fields = {"text": f"texts.{index}"}
        if self.reference_audio is not None:
            fields |= {"reference_audio_path": "reference_audio", "reference_text": "reference_text"}
        instruct = self.instruct
        if self.instructs is not None:
            instruct, fields["instruct"] = self.instructs[index], f"instructs.{index}"
        if instruct is not None:
            payload["instruct"] = instruct
        return Item(payload, fields, release)

    def result(self, index: int, outcome: Outcome) -> Iterator[bytes]:
        """The JSON of what came of a text, in pieces."""
        text = {"text": self.texts[index]}
        match outcome:
            case SkylarkError():
                yield dumps(text | {"error": outcome.to_dict()})
            case Uploaded():
                yield dumps(text | linked(outcome, self.format))
            case Done():
                yield from encoded(outcome, self.format, dumps(text)[:-1] + b",")

    def batch_key(self) -> str | None:
        """None lets a text share the model with whatever else waits for it."""
        return None if self.batch or len(self.texts) == 1 else ALONE


@bp.post("/generate_batch")
@operation(
    "Speak texts, all in one reply",
    body=Generation,
    headers=NAMED,
    replies=BATCH_REPLIES,
    errors=(*OF_SPEAKING, *OF_BUCKETS, UnsupportedAudio, AudioTooLong),
)
def generate_batch() -> Response:
    asked = json_body(Generation)
    asked.check(requests().limits)
    who = requester()
    destination = asked.destination(asked.format, len(asked.texts), who.owner)
    live = destination is not None
    items = asked.items(_reference(asked, who))
    request = requests().submit(asked, items, who, asked.batch_key(), live=live)
    outcomes = None if destination is None else uploaded(request, destination)
    rest = {"model": request.model.name, "job_ids": request.job_ids}
    return batch_reply(request, asked.result, rest, outcomes)


def _reference(asked: Generation, who: Requester) -> Reference | None:
    """The clip on the disk, for all the texts. Raises what is wrong with it."""
    if asked.reference_audio is None:
        return None
    clip = decoded(asked.reference_audio, "reference_audio")
    clip_length_s(clip, "reference_audio")
    return saved_reference(clip, len(asked.texts), who)


def _nothing() -> None:
    """What is to be released of a text without a clip."""


def encoded(done: Done, format: str, before: bytes) -> Iterator[bytes]:
    """The JSON of a text's audio and words, in pieces: only one of them is in memory at a time.

    Raises StorageFailed before it gives any.
    """
    with SpooledTemporaryFile(IN_MEMORY) as file:
        with storing("the audio of a text"):
            encode_file(done.pcm, done.result["sample_rate"], format, file)
        yield before + b'"audio":"'
        yield from base64_of(file)
    yield b'",' + dumps(described(done.result, format))[1:]
