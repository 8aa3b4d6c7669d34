"""Where audio lies in the bucket, in seed 002's layout, below what is the owner's.

audio/<job_id>/<file>
audio/segments/<book_id>/<chapter_id>/<file>
"""

from __future__ import annotations

from collections.abc import Sequence

from servers.buckets.keys import check_key, owners_prefix
from servers.errors import InvalidRequest
from servers.settings import settings

SEGMENTS = "segments"


def job_folder(owner: str | None, job_id: str) -> str:
    """Raises InvalidRequest for what can be no part of a path."""
    check_part(job_id, _own(owner), "job_id")
    return f"{_own(owner)}{job_id}/"


def book_folder(owner: str | None, book_id: str, chapter_id: str | None = None) -> str:
    """Raises InvalidRequest for what can be no part of a path."""
    parts = {"book_id": book_id} | ({} if chapter_id is None else {"chapter_id": chapter_id})
    folder = f"{_own(owner)}{SEGMENTS}/"
    for param, part in parts.items():
        check_part(part, folder, param)
        folder += f"{part}/"
    return folder


def check_part(part: str, folder: str, param: str) -> None:
    """Raises InvalidRequest for a name that cannot stand in the folder."""
    if "/" in part:
        raise InvalidRequest(f"{param!r} is a name, without a slash", param=param)
    if not part:
        raise InvalidRequest(f"{param!r} is empty", param=param)
    check_key(folder + part, folder, param)


def check_filenames(names: Sequence[str | None], folder: str) -> Sequence[str | None]:
    """The same ones, of a body's items. Raises InvalidRequest for one that cannot be, or is there twice."""
    for index, name in enumerate(names):
        if name is not None:
            param = f"items.{index}.filename"
            check_part(name, folder, param)
            if name in names[:index]:
                raise InvalidRequest(f"two items cannot have the same file, {name!r}", param=param)
    return names


def _own(owner: str | None) -> str:
    return owners_prefix(settings().s3.prefix, owner)
