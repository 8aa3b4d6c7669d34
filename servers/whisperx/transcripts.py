"""POST /transcribe, /align, /transcribe_batch, /align_batch: recordings to words with their times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask import Blueprint, Response

from servers.errors import SkylarkError
from servers.jobs.request import Request, Result
from servers.jobs.requests import QueueOptions
from servers.limits import check_count
from servers.web.batch import Outcome, batch_reply
from servers.web.body import json_body
from servers.web.replies import dumps
from servers.web.requester import requester, requests
from servers.whisperx.bodies import (
    AlignBatchBody,
    AlignBody,
    AudioItem,
    TranscribeBatchBody,
    TranscribeBody,
    form_or_json,
)
from servers.whisperx.recordings import saved

bp = Blueprint("transcripts", __name__)
FIELDS = ("text", "language", "duration_s", "segments", "words")
JUDGEMENT = ("score", "warning")
"""What an alignment has besides."""


@bp.post("/transcribe")
def transcribe() -> Result:
    return _single_reply(TranscribeBody)


@bp.post("/align")
def align() -> Result:
    return _single_reply(AlignBody)


@bp.post("/transcribe_batch")
def transcribe_batch() -> Response:
    return _batch_reply(TranscribeBatchBody)


@bp.post("/align_batch")
def align_batch() -> Response:
    return _batch_reply(AlignBatchBody)


def _single_reply(noun: type[TranscribeBody] | type[AlignBody]) -> Result:
    body, field = form_or_json(noun)
    with _submitted(body, {field: body}) as request:
        return _transcript(request.result())


def _batch_reply(noun: type[TranscribeBatchBody] | type[AlignBatchBody]) -> Response:
    body = json_body(noun)
    check_count(len(body.items), requests().limits, "items")
    items = {f"items.{index}.audio": item for index, item in enumerate(body.items)}
    return batch_reply(_submitted(body, items), _result, {})


def _submitted(options: QueueOptions, sent: Mapping[str, AudioItem]) -> Request:
    """A job for each recording, which was sent under the name that is its key."""
    who = requester()
    return requests().submit(options, saved(sent, who, requests().limits), who)


def _result(_index: int, outcome: Outcome) -> Iterator[bytes]:
    if isinstance(outcome, SkylarkError):
        yield dumps({"error": outcome.to_dict()})
    else:
        yield dumps(_transcript(outcome.result))


def _transcript(result: Result) -> Result:
    judgement = {name: result[name] for name in JUDGEMENT if name in result}
    return {name: result[name] for name in FIELDS} | {"ignored": result.get("ignored", [])} | judgement
