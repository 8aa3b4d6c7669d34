"""POST /transcribe, /align, /transcribe_batch, /align_batch: recordings to words with their times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from flask import Blueprint, Response

from servers.errors import SkylarkError
from servers.jobs.request import BegunAgain, Done, HowFar, Request, Result
from servers.jobs.requests import QueueOptions
from servers.limits import check_count
from servers.speech import Segment
from servers.text.subtitles import CONTENT_TYPES, subtitles
from servers.web.batch import BATCH_REPLIES, Outcome, batch_reply
from servers.web.body import json_body
from servers.web.failures import OF_LISTENING
from servers.web.lines import LINES, accepts_lines, lines_reply
from servers.web.openapi import JSON, operation
from servers.web.recordings import AudioItem, form_or_json, saved
from servers.web.replies import dumps
from servers.web.request_ids import request_id
from servers.web.requester import NAMED, requester, requests
from servers.whisperx.bodies import (
    AlignBatchBody,
    AlignBody,
    Format,
    TranscribeBatchBody,
    TranscribeBody,
)

bp = Blueprint("transcripts", __name__)
REPLIES = (JSON, *CONTENT_TYPES.values(), LINES)
FIELDS = ("text", "language", "duration_s", "segments", "words")
JUDGEMENT = ("score", "warning")
"""What an alignment has besides."""
hearing = partial(operation, headers=NAMED, errors=OF_LISTENING)


@bp.post("/transcribe")
@hearing("What is said in a recording", body=TranscribeBody, form=TranscribeBody, replies=REPLIES)
def transcribe() -> Result | Response:
    return _single_reply(TranscribeBody)


@bp.post("/align")
@hearing("When each word of a text is said", body=AlignBody, form=AlignBody, replies=REPLIES)
def align() -> Result | Response:
    return _single_reply(AlignBody)


@bp.post("/transcribe_batch")
@hearing("The same of several recordings", body=TranscribeBatchBody, replies=BATCH_REPLIES)
def transcribe_batch() -> Response:
    return _batch_reply(TranscribeBatchBody)


@bp.post("/align_batch")
@hearing("The same of several recordings and texts", body=AlignBatchBody, replies=BATCH_REPLIES)
def align_batch() -> Response:
    return _batch_reply(AlignBatchBody)


def _single_reply(noun: type[TranscribeBody] | type[AlignBody]) -> Result | Response:
    body, field = form_or_json(noun)
    jobs = _submitted(body, {field: body}, segments=accepts_lines())
    if accepts_lines():
        return _streamed(jobs, body.format)
    with jobs:
        content = _content(jobs.result(), body.format)
    return Response(content, content_type=CONTENT_TYPES[body.format]) if isinstance(content, str) else content


def _streamed(jobs: Request, format: Format) -> Response:
    """{"progress": fraction | null} about once a second, the same with "segment_index" and "segment" for each
    that was heard, at last {"result": …} or {"error": …}. Its X-Job-Id is what the job is cancelled by.
    """
    lines = (dumps(line) + b"\n" for line in _lines(jobs, format, request_id()))
    reply = lines_reply(lines, lambda: jobs.__exit__())
    reply.headers["X-Job-Id"] = jobs.job_ids[0]
    return reply


def _lines(jobs: Request, format: Format, request_id: str) -> Iterator[dict[str, Any]]:
    progress: float | None = None
    heard = 0
    try:
        for told in jobs.told():
            match told:
                case HowFar(progress):
                    yield {"progress": progress}
                case Segment():
                    segment = told.model_dump(mode="json")
                    yield {"progress": progress, "segment_index": heard, "segment": segment}
                    heard += 1
                case BegunAgain():
                    heard = 0
                case Done():
                    yield {"result": _content(told.result, format)}
                case SkylarkError():
                    raise told
    except SkylarkError as error:
        yield {"error": error.to_dict() | {"request_id": request_id}}


def _batch_reply(noun: type[TranscribeBatchBody] | type[AlignBatchBody]) -> Response:
    body = json_body(noun)
    check_count(len(body.items), requests().limits, "items")
    items = {f"items.{index}.audio": item for index, item in enumerate(body.items)}
    return batch_reply(_submitted(body, items), _result, {})


def _submitted(options: QueueOptions, sent: Mapping[str, AudioItem], *, segments: bool = False) -> Request:
    """A job for each recording, which was sent under the name that is its key."""
    who = requester()
    return requests().submit(options, saved(sent, who, requests().limits), who, segments=segments)


def _result(_index: int, outcome: Outcome) -> Iterator[bytes]:
    if isinstance(outcome, SkylarkError):
        yield dumps({"error": outcome.to_dict()})
    else:
        yield dumps(_transcript(outcome.result))


def _content(result: Result, format: Format) -> Result | str:
    """The transcript, or the subtitles of it as text."""
    transcript = _transcript(result)
    return transcript if format == "json" else subtitles(transcript, format)


def _transcript(result: Result) -> Result:
    judgement = {name: result[name] for name in JUDGEMENT if name in result}
    return {name: result[name] for name in FIELDS} | {"ignored": result.get("ignored", [])} | judgement
