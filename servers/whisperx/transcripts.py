"""POST /transcribe, /align, /transcribe_batch, /align_batch: recordings to words with their times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint

from servers.errors import TooLarge
from servers.jobs.request import Done, Reply
from servers.jobs.requests import QueueOptions
from servers.web.body import json_body
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


@bp.post("/transcribe")
def transcribe() -> Reply:
    return _single_reply(TranscribeBody)


@bp.post("/align")
def align() -> Reply:
    return _single_reply(AlignBody)


@bp.post("/transcribe_batch")
def transcribe_batch() -> dict[str, Any]:
    return _batch_reply(TranscribeBatchBody)


@bp.post("/align_batch")
def align_batch() -> dict[str, Any]:
    return _batch_reply(AlignBatchBody)


def _single_reply(noun: type[TranscribeBody] | type[AlignBody]) -> Reply:
    body, field = form_or_json(noun)
    (reply,) = _transcripts(body, {field: body})
    return reply


def _batch_reply(noun: type[TranscribeBatchBody] | type[AlignBatchBody]) -> dict[str, Any]:
    body = json_body(noun)
    limit = requests().limits.max_texts
    if len(body.items) > limit:
        raise TooLarge(f"{len(body.items)} items; at most {limit} are possible", param="items")
    items = {f"items.{index}.audio": item for index, item in enumerate(body.items)}
    return {"results": _transcripts(body, items)}


def _transcripts(options: QueueOptions, sent: Mapping[str, AudioItem]) -> list[Reply]:
    """A transcript for each recording, which was sent under the name that is its key."""
    who = requester()
    items = saved(sent, who, requests().limits)
    with requests().submit(options, items, who) as request:
        return request.replies(_transcript)


def _transcript(done: Done) -> Reply:
    return {name: done.result[name] for name in FIELDS}
