"""POST /infer/<job_id> and /infer/<job_id>/batch: texts in a voice that was trained."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, request
from pydantic import Field

from servers.errors import Conflict, InvalidRequest, JobNotFound
from servers.finetune.health import storage_configured
from servers.finetune.jobs import ready
from servers.finetune.outputs import destination
from servers.finetune.paths import book_folder, check_filenames, check_part, job_folder
from servers.finetune.speaking import Work, all_uploaded, one_spoken
from servers.finetune.trainings import Training
from servers.jobs.durations import INFERENCE_CUSTOM_VOICE
from servers.jobs.request import Item
from servers.limits import check_count, check_texts, check_together
from servers.settings import Limits
from servers.speech import Noun, Text
from servers.trained_voices import BACKEND
from servers.web.body import json_body
from servers.web.failures import OF_BUCKETS, OF_SPEAKING
from servers.web.openapi import JSON, operation
from servers.web.requester import requester, requests

WAV = "audio/wav"
bp = Blueprint("infer", __name__)


class Placed(Noun):
    """Where in the bucket: of a book and its chapter, or else with the job's."""

    language: str = "English"
    book_id: str | None = None
    chapter_id: str | None = None

    def folder(self, owner: str | None, job_id: str) -> str:
        """Raises InvalidRequest for what can be no part of a path."""
        if self.book_id is not None:
            return book_folder(owner, self.book_id, self.chapter_id)
        if self.chapter_id is not None:
            raise InvalidRequest("'chapter_id' is one of a book: give its book_id", param="chapter_id")
        return job_folder(owner, job_id)


class Inference(Placed):
    """The body. Without a word on it, audio goes into the bucket where there is one."""

    text: Text
    instruct: str = ""
    upload_to_s3: Annotated[bool, Field(strict=True)] | None = None
    s3_filename: str | None = None

    def uploads(self) -> bool:
        if self.upload_to_s3 is not None:
            return self.upload_to_s3
        wants_audio = request.accept_mimetypes.best_match([JSON, WAV], JSON) == WAV
        return storage_configured() and not wants_audio

    def check(self, limits: Limits) -> None:
        """Raises InvalidRequest or TooLarge naming the field."""
        for name in ("text", "instruct", "language"):
            check_texts(getattr(self, name), limits, name)


class BatchItem(Noun):
    """`filename` is the job's id where it is not said."""

    text: Text
    filename: str | None = None
    language: str | None = None
    instruct: str = ""


class InferenceBatch(Placed):
    """The body."""

    items: list[BatchItem] = Field(min_length=1)

    def check(self, limits: Limits) -> None:
        """Raises InvalidRequest or TooLarge naming the field."""
        check_count(len(self.items), limits, "items")
        check_texts([each.model_dump() for each in self.items], limits, "items")
        check_texts(self.language, limits, "language")
        check_together([each.text for each in self.items], limits, "items")


@bp.post("/infer/<job_id>")
@operation(
    "Speak a text in a trained voice",
    body=Inference,
    replies=(WAV, JSON),
    errors=(JobNotFound, Conflict, *OF_SPEAKING, *OF_BUCKETS),
)
def infer(job_id: str) -> Response:
    asked = json_body(Inference)
    voice, who = ready(job_id), requester()
    asked.check(requests().limits)
    into = None
    if asked.uploads():
        folder = asked.folder(who.owner, voice.id)
        if asked.s3_filename is not None:
            check_part(asked.s3_filename, folder, "s3_filename")
        into = destination(folder, [asked.s3_filename])
    item = _item(asked.text, asked.language, asked.instruct)
    return one_spoken(Work(INFERENCE_CUSTOM_VOICE, _model(voice), who, voice.id), item, into)


@bp.post("/infer/<job_id>/batch")
@operation(
    "Speak texts in a trained voice, into the bucket",
    body=InferenceBatch,
    errors=(JobNotFound, Conflict, *OF_SPEAKING, *OF_BUCKETS),
)
def batch(job_id: str) -> Response:
    asked = json_body(InferenceBatch)
    voice, who = ready(job_id), requester()
    asked.check(requests().limits)
    folder = asked.folder(who.owner, voice.id)
    into = destination(folder, check_filenames([each.filename for each in asked.items], folder))
    items = [
        _item(each.text, each.language or asked.language, each.instruct, f"items.{index}.")
        for index, each in enumerate(asked.items)
    ]
    return all_uploaded(Work(INFERENCE_CUSTOM_VOICE, _model(voice), who, voice.id), items, into)


def _model(voice: Training) -> str:
    return f"{BACKEND}/{voice.id}"


def _item(text: str, language: str, instruct: str, within: str = "") -> Item:
    """In the only voice that the model has: named, it could also be a cloned one of the same name."""
    payload = {"task": "synthesize", "text": text, "language": language}
    if instruct:
        payload["instruct"] = instruct
    return Item(payload, {name: f"{within}{name}" for name in ("text", "language", "instruct")})
