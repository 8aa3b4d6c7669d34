"""POST /transcribe, /align, /transcribe_batch, /align_batch: recordings to words with their times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint

from servers.errors import TooLarge
from servers.web.body import json_body
from servers.web.errands import Order, Reply, WireJob, errands
from servers.whisperx import recordings
from servers.whisperx.requests import (
    Alignment,
    Alignments,
    Take,
    Task,
    Transcription,
    Transcriptions,
    one_recording,
)

bp = Blueprint("listen", __name__)
FIELDS = ("text", "language", "duration_s", "segments", "words")


@bp.post("/transcribe")
def transcribe() -> Reply:
    return one("transcribe", Transcription)


@bp.post("/align")
def align() -> Reply:
    return one("align", Alignment)


@bp.post("/transcribe_batch")
def transcribe_batch() -> dict[str, Any]:
    return many("transcribe", Transcriptions)


@bp.post("/align_batch")
def align_batch() -> dict[str, Any]:
    return many("align", Alignments)


def one(task: Task, noun: type[Transcription] | type[Alignment]) -> Reply:
    asked, field = one_recording(noun)
    (reply,) = heard(task, asked, [asked], [field])
    return reply


def many(task: Task, noun: type[Transcriptions] | type[Alignments]) -> dict[str, Any]:
    asked = json_body(noun)
    limit = errands().limits.max_texts
    if len(asked.items) > limit:
        raise TooLarge(f"{len(asked.items)} items; at most {limit} are possible", param="items")
    return {"results": heard(task, asked, asked.items, [f"items.{i}.audio" for i in range(len(asked.items))])}


def heard(task: Task, order: Order, asked: Sequence[Take], fields: Sequence[str]) -> list[Reply]:
    """A transcript for each recording; `fields` are the names under which their audio came."""
    with recordings.queued(task, asked, fields, errands().limits) as payloads:
        names = [recordings.names_of(field) for field in fields]
        return errands().submit(order, payloads, names).replies(transcript)


def transcript(job: WireJob) -> Reply:
    return {name: job["result"][name] for name in FIELDS}
