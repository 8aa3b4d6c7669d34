"""Where a request's audio goes: into the bucket, with an address for all, or into the reply."""

from __future__ import annotations

import os
from collections.abc import Sequence
from tempfile import SpooledTemporaryFile
from typing import Any

from flask import Response
from werkzeug.wsgi import FileWrapper

from servers.audio.encode import content_type, encode_file
from servers.buckets.bucket import bucket
from servers.jobs.request import Done
from servers.jobs.to_bucket import Destination, Uploaded
from servers.settings import settings
from servers.storage import storing

FORMAT = "wav"
IN_MEMORY = 1_048_576
"""Bytes of audio; more is kept in a file."""


def destination(folder: str, names: Sequence[str | None]) -> Destination:
    """A place for each audio; one without a name is called as its job. Raises MissingExtra, and
    BucketNotConfigured.
    """
    keys = [None if name is None else f"{folder}{name}" for name in names]
    return Destination(bucket(settings().s3), FORMAT, folder, keys, today=None)


def there_already(into: Destination) -> dict[int, dict[str, Any]]:
    """Where those of the files are that the bucket has, by their index. Raises as Bucket does."""
    named = {index: key for index, key in enumerate(into.keys) if key is not None}
    places = {index: into.bucket.place(key) for index, key in named.items() if into.bucket.has(key)}
    return {
        index: {"s3_url": each.s3_url, "presigned_url": each.presigned_url, "s3_key": each.s3_key}
        for index, each in places.items()
    }


def placed(made: Uploaded, text: str) -> dict[str, Any]:
    """What is said of audio in the bucket."""
    return {
        "s3_url": made.place.s3_url,
        "presigned_url": made.place.presigned_url,
        "s3_key": made.place.s3_key,
        "sample_rate": made.result["sample_rate"],
        "duration_s": made.result["duration_s"],
        "finish_reason": made.result["finish_reason"],
        "text": text,
        "job_id": made.job_id,
    }


def wav_reply(done: Done) -> Response:
    """The audio alone. Raises StorageFailed."""
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed with the response
    try:
        with storing("the audio of a text"):
            encode_file(done.pcm, done.result["sample_rate"], FORMAT, file)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
    except BaseException:
        file.close()
        raise
    if size > IN_MEMORY:
        response = Response(FileWrapper(file), content_type=content_type(FORMAT), direct_passthrough=True)
        response.content_length = size
        response.call_on_close(file.close)
    else:
        with file:
            response = Response(file.read(), content_type=content_type(FORMAT))
    response.headers["X-Job-Id"] = done.job_id
    return response
