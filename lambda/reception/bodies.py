"""What is looked at of the work that is accepted: pure. What else is wrong with it the machine will say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

from appliance.exchange import InvalidRequest, MalformedBody
from reception.refusals import TooLarge
from reception.wishes import JOBS, is_work

PRIORITY, MOST_PRIORITY = 10, 1_000_000
"""Of work that says none; and the highest number, which waits longest."""
LARGEST_UPLOAD = 256_000_000
"""Bytes: a door takes no more (limits.max_body_mb)."""
LONGEST_KEY = 192
"""Characters of an Idempotency-Key, as at the doors."""
LONGEST_HEADER, LONGEST_TARGET = 1_000, 2_000
FORM_PRIORITY = re.compile(rb'name="?priority"?\r\n(?:[^\r\n]+\r\n)*\r\n(\d{1,7})\r\n')
TARGET = re.compile(r"/[!-~]*")
BOUNDARY = re.compile(r';\s*boundary=("[^"]*"|[^;\s]+)', re.IGNORECASE)


def check_body(path: str, content_type: str, body: bytes) -> None:
    """Raises MalformedBody for what is no JSON object where one is said to be, or needed."""
    needed = path.rstrip("/") in JOBS
    if not needed and "json" not in content_type.lower():
        return
    found = _object(body)
    if path.rstrip("/").endswith("/batch") and needed and not isinstance(found.get("jobs"), list):
        raise MalformedBody('the body is to be as {"jobs": [...]}')


def priority_of(path: str, content_type: str, body: bytes) -> int:
    """0 is urgent. Of several jobs the most urgent one's; PRIORITY where none is said that can be one."""
    kind, is_job = content_type.lower(), path.rstrip("/") in JOBS
    if (match := FORM_PRIORITY.search(body)) and "multipart/" in kind:
        return _priority(int(match[1]))
    if "x-www-form-urlencoded" in kind and not is_job:
        return _priority(_number(parse_qs(body.decode("utf-8", "replace")).get("priority", [""])[0]))
    try:
        found = _object(body)
    except MalformedBody:
        return PRIORITY
    if path.rstrip("/") == "/jobs/batch":
        jobs = [job for job in found.get("jobs", []) if isinstance(job, dict)]
        return min((_priority(job.get("priority")) for job in jobs), default=PRIORITY)
    return _priority(found.get("priority"))


def digest_of(target: str, content_type: str, body: bytes) -> str:
    """The same for the same request: a form has another boundary each time that it is sent."""
    if match := BOUNDARY.search(content_type):
        body = body.replace(b"--" + match[1].strip('"').encode(), b"--")
        content_type = BOUNDARY.sub("", content_type)
    return sha256(b"\0".join((target.encode(), content_type.encode(), body))).hexdigest()


def check_key(key: str | None) -> str:
    """An Idempotency-Key; "" for none. Raises InvalidRequest."""
    if key is None:
        return ""
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable() or not key.isascii():
        raise InvalidRequest(
            f"it has from 1 to {LONGEST_KEY} characters of printable ASCII", param="Idempotency-Key"
        )
    return key


def check_line(target: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Of the headers those that the machine is to know. Raises InvalidRequest for what is too long."""
    if len(target) > LONGEST_TARGET or not TARGET.fullmatch(target):
        raise InvalidRequest(
            f"a path begins with / and has at most {LONGEST_TARGET} characters of ASCII without spaces",
            param="path",
        )
    kept = {name: headers[name] for name in ("content-type", "accept") if headers.get(name)}
    for name, value in kept.items():
        if len(value) > LONGEST_HEADER or not value.isascii() or not value.isprintable():
            raise InvalidRequest(f"it is at most {LONGEST_HEADER} characters of printable ASCII", param=name)
    return kept


def announced(body: Mapping[str, Any]) -> tuple[str, dict[str, str], int, int]:
    """Of the body of POST /accepted: the target, the headers by their names in small letters, how many bytes,
    the priority. Raises InvalidRequest that names the field, and TooLarge.
    """
    unknown = body.keys() - {"method", "path", "headers", "bytes", "priority"}
    if unknown:
        raise InvalidRequest("the fields are method, path, headers, bytes, priority", param=min(unknown))
    if body.get("method", "POST") != "POST":
        raise InvalidRequest("only a POST can be accepted", param="method")
    target = body.get("path")
    if not isinstance(target, str) or not is_work(target.partition("?")[0]):
        raise InvalidRequest(
            "it is a path to which work can be sent, such as /whisperx/transcribe", param="path"
        )
    headers = body.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise InvalidRequest("they are an object of texts", param="headers")
    priority = body.get("priority", PRIORITY)
    if not _is_whole(priority) or not 0 <= priority <= MOST_PRIORITY:
        raise InvalidRequest(f"it is a whole number from 0 to {MOST_PRIORITY}", param="priority")
    return (
        target,
        {name.lower(): value for name, value in headers.items()},
        _bytes(body.get("bytes")),
        priority,
    )


def _bytes(size: object) -> int:
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise InvalidRequest("it is how many bytes the body has, a whole number from 1 on", param="bytes")
    if size > LARGEST_UPLOAD:
        raise TooLarge(f"a body has at most {LARGEST_UPLOAD} bytes", param="bytes")
    return size


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise MalformedBody(f"the body is no JSON: {fault}") from fault
    if not isinstance(found, dict):
        raise MalformedBody("the body is to be a JSON object")
    return found


def _priority(said: object) -> int:
    if not _is_whole(said) or not isinstance(said, int) or not 0 <= said <= MOST_PRIORITY:
        return PRIORITY
    return said


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 7 else None
