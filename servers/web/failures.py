"""The errors that an endpoint answers with, as the responses of its OpenAPI operation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from servers.errors import (
    BY_CODE,
    AudioTooLong,
    BackendFailed,
    BucketNotConfigured,
    BucketUnreachable,
    Conflict,
    DeadlineExceeded,
    EngineUnavailable,
    HeadersTooLarge,
    InvalidRequest,
    JobCancelled,
    JobExpired,
    MalformedBody,
    MalformedRequest,
    MissingExtra,
    ModelLoadFailed,
    NotFound,
    NothingRecognised,
    OutOfMemory,
    QueueFull,
    RequestTimeout,
    RunnerCrashed,
    SkylarkError,
    StorageFailed,
    TimeLimitExceeded,
    TooLarge,
    UnknownModel,
    UnknownVoice,
    UnsupportedAudio,
    UploadFailed,
)

Kind = type[SkylarkError]
Kinds = tuple[Kind, ...]
ALWAYS: Kinds = (MalformedRequest, RequestTimeout, TooLarge, HeadersTooLarge, QueueFull, SkylarkError)
"""Of every request, whatever its path: it was refused before a view saw it, or there is a defect."""
OF_BODIES: Kinds = (MalformedBody, InvalidRequest)
OF_LOADING: Kinds = (UnknownModel, ModelLoadFailed, OutOfMemory, RunnerCrashed, EngineUnavailable)
OF_JOBS: Kinds = (
    InvalidRequest,
    Conflict,
    JobCancelled,
    JobExpired,
    MissingExtra,
    *OF_LOADING,
    BackendFailed,
    StorageFailed,
    TimeLimitExceeded,
    DeadlineExceeded,
)
"""Of a job, from its being submitted to its end."""
OF_SPEAKING: Kinds = (UnknownVoice, NotFound, *OF_JOBS)
"""Of a text. NotFound: the request was sent before, and its audio is no longer kept."""
OF_LISTENING: Kinds = (UnsupportedAudio, AudioTooLong, NothingRecognised, *OF_JOBS)
OF_BUCKETS: Kinds = (UploadFailed, BucketNotConfigured, BucketUnreachable)

ERROR = {"$ref": "#/components/schemas/Error"}
REQUEST_ID = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
TEXT = {"type": "string"}
BESIDE: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": TEXT, "required": True}},
    426: {"Upgrade": {"schema": TEXT, "required": True}},
    429: {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "seconds"}},
    503: {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "seconds"}},
}
"""The headers that come with a status."""


def http_status(kind: Kind) -> int:
    return kind.http_status


def responses(kinds: Iterable[Kind], status: Callable[[Kind], int], json: str) -> dict[str, Any]:
    """One for each status, described by the codes that its error may have."""
    codes: dict[int, list[str]] = defaultdict(list)
    for kind in dict.fromkeys(kinds):
        codes[status(kind)].append(kind.code)
    return {str(each): _response(each, codes[each], json) for each in sorted(codes)}


def _response(status: int, codes: list[str], json: str) -> dict[str, Any]:
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}",
        "headers": REQUEST_ID | BESIDE.get(status, {}),
        "content": {json: {"schema": ERROR}},
    }


def error_schema() -> dict[str, Any]:
    """What servers/web/errors.py writes."""
    properties = {
        "code": {"type": "string", "enum": sorted(BY_CODE)},
        "message": TEXT,
        "param": {"type": ["string", "null"], "description": "the field at fault"},
        "type": TEXT,
        "request_id": TEXT,
        "retry_after_s": {"type": "number"},
    }
    always = ["code", "message", "param", "type", "request_id"]
    error = {"type": "object", "properties": properties, "required": always}
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}
