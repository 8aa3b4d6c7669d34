"""What a reply says of a text's audio, be that in the reply or in a bucket."""

from __future__ import annotations

from typing import Any

from servers.audio.encode import encoded_rate
from servers.jobs.request import Result
from servers.jobs.to_bucket import Uploaded


def described(result: Result, format: str) -> dict[str, Any]:
    """The audio in that format of a job with that result."""
    return {
        "format": format,
        "sample_rate": encoded_rate(result["sample_rate"], format),
        "duration_s": result["duration_s"],
        "words": result["words"],
        "finish_reason": result["finish_reason"],
        "ignored": result.get("ignored", []),
    }


def linked(made: Uploaded, format: str) -> dict[str, Any]:
    """Where it is, and the same of it."""
    return {**vars(made.place), "job_id": made.job_id} | described(made.result, format)
