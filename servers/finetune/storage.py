"""GET /storage/status and /storage/list/<job_id>: the bucket that audio is put into."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from servers.buckets.bucket import bucket
from servers.errors import InvalidRequest, MissingExtra
from servers.finetune.health import storage_configured
from servers.finetune.paths import job_folder
from servers.settings import settings
from servers.web.auth import current_owner
from servers.web.failures import OF_BUCKETS
from servers.web.openapi import operation

MOST = 10_000
"""Files that are listed of a job."""
bp = Blueprint("storage", __name__)


@bp.get("/storage/status")
@operation("Whether there is a bucket, and where")
def status() -> dict[str, Any]:
    """It is not asked: that costs time, and may cost money."""
    configured = storage_configured()
    options = settings().s3
    endpoint = bucket(options).endpoint if configured else options.endpoint_url
    return {"configured": configured, "endpoint": endpoint, "bucket": options.bucket}


@bp.get("/storage/list/<job_id>")
@operation("What a job has put into the bucket", errors=(InvalidRequest, MissingExtra, *OF_BUCKETS))
def files(job_id: str) -> dict[str, Any]:
    """`url` is for whoever has rights there, `presigned_url` for all, for a time."""
    folder = job_folder(current_owner(), job_id)
    asked = bucket(settings().s3)
    places = [asked.place(key) for key in asked.keys(folder, MOST)]
    found = [{"key": each.s3_key, "url": each.s3_url, "presigned_url": each.presigned_url} for each in places]
    return {"job_id": job_id, "count": len(found), "files": found}
