"""What an object is called in a bucket: <prefix>/<date>/<job id>.<ending>, or as its client chose."""

from __future__ import annotations

import unicodedata
from datetime import date
from urllib.parse import quote

from servers.errors import InvalidRequest

LONGEST_BYTES = 1_024
"""Of a key in UTF-8: S3's limit."""
UNREADABLE = ("Cc", "Cs", "Zl", "Zp")
"""Control characters, halves of surrogate pairs, separators of lines: not every listing can hold them."""
OWNER = "{owner}"


def owners_prefix(prefix: str, owner: str | None) -> str:
    """Where the owner's objects lie, with a slash at its end; empty is the whole bucket.

    `{owner}` in the configured prefix is the id of an API key, and nothing where there is none.
    """
    parts = prefix.replace(OWNER, quote(owner or "", safe="")).split("/")
    return "".join(f"{part}/" for part in parts if part)


def new_key(prefix: str, day: date | None, job_id: str, ending: str) -> str:
    """One that nobody can guess, as nobody can a job's id."""
    folder = prefix if day is None else f"{prefix}{day.isoformat()}/"
    return f"{folder}{job_id}.{ending}"


def check_key(key: str, prefix: str, param: str) -> None:
    """Raises InvalidRequest for a key that a client may not choose, saying why."""
    if reason := _fault(key, prefix):
        raise InvalidRequest(f"{param!r} {reason}", param=param)


def _fault(key: str, prefix: str) -> str | None:
    if any(unicodedata.category(character) in UNREADABLE or _is_none(character) for character in key):
        return "holds a control character"
    if len(key.encode()) > LONGEST_BYTES:
        return f"has {len(key.encode())} bytes; at most {LONGEST_BYTES} are possible"
    if not key.startswith(prefix) or key == prefix:
        return f"has to begin with {prefix!r}, and to go on" if prefix else "is empty"
    if any(part in ("", ".", "..") for part in key.split("/")):
        return "has an empty part, '.' or '..' between slashes"
    return None


def _is_none(character: str) -> bool:
    """Unicode's noncharacters, the last two of each plane: XML cannot hold them."""
    return ord(character) & 0xFFFE == 0xFFFE
