"""Work that a client sent to a door: it is sent there again as that client's, and the reply is its result."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from contextlib import closing
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import urllib3

from servers.intake.objects import IN_MEMORY, BodyGone, Objects, size_of
from servers.intake.outcomes import BUSY_PAUSE_S, Back, Done, Outcome, gone, judge, retry_after_s
from servers.intake.work import Work
from servers.jobs.client import OWNER_HEADER
from servers.jobs.request import IDEMPOTENCY_KEY
from servers.web.auth import INTAKE_HEADER

READY_S = 5.0
CONNECT_S = 5.0
CONNECTIONS = 16
LARGEST_ERROR = 65_536
NAMED = frozenset({"content-type", "accept"})
"""What of the client's headers the door is told."""
PREFIXES = {"/tts/": "tts", "/whisperx/": "whisperx"}
LISTENING = ("/transcribe", "/align", "/v1/audio/transcriptions", "/v1/audio/translations")
BROKEN, UNFINISHED = 502, 503
PASSING = re.compile(rb'"code": ?"(engine_unavailable|deadline_exceeded)"')
"""In a reply that began well: a part was not done, for a reason that passes. In a text quotes are escaped."""
LONGEST_CODE = 40
READ_BYTES = 1024 * 1024


class Replay:
    """`doors` are their URLs by name. A reply is waited for for `patience_s`, and so is each piece of it."""

    def __init__(self, doors: Mapping[str, str], secret: str, objects: Objects, patience_s: float) -> None:
        self._secret, self._objects = secret, objects
        timeout = urllib3.Timeout(connect=CONNECT_S, read=patience_s)
        # a pool for each: whatever a path is, it is asked of that door and of nobody else
        self._doors = {
            name: urllib3.connection_from_url(url, timeout=timeout, retries=False, maxsize=CONNECTIONS)
            for name, url in doors.items()
        }

    def close(self) -> None:
        for door in self._doors.values():
            door.close()

    def asked(self, work: Work) -> str:
        return door_of(work.path)

    def is_ready(self, work: Work) -> bool:
        """Whether the door would serve a request."""
        try:
            reply = self._doors[door_of(work.path)].request("GET", "/ready", timeout=READY_S)
        except urllib3.exceptions.HTTPError:
            return False
        return reply.status == 200

    def do(self, work: Work) -> Outcome:
        """Raises CloudFailed."""
        try:
            with self._objects.body(work) as body:
                return self._asked(work, body)
        except BodyGone:
            return gone()
        except urllib3.exceptions.NewConnectionError:
            return Back(BUSY_PAUSE_S, "the door is not there")
        except urllib3.exceptions.HTTPError as error:
            message = f"the door broke off its answer ({type(error).__name__})"
            return judge(BROKEN, {"message": message}, None, work.failures)

    def _asked(self, work: Work, body: IO[bytes]) -> Outcome:
        response = self._doors[door_of(work.path)].request(
            work.method,
            work.path,
            body=body,
            headers=self._headers(work, size_of(body)),
            preload_content=False,
            redirect=False,
        )
        with closing(response):
            return self._taken(work, response)

    def _headers(self, work: Work, length: int) -> dict[str, Any]:
        told = {name: value for name, value in work.headers.items() if name in NAMED}
        own = {IDEMPOTENCY_KEY: work.key, INTAKE_HEADER: self._secret, "Content-Length": str(length)}
        owner = {} if work.owner is None else {OWNER_HEADER: work.owner.encode()}
        return told | own | owner

    def _taken(self, work: Work, response: urllib3.BaseHTTPResponse) -> Outcome:
        if not 200 <= response.status < 300:
            asked_s = retry_after_s(response.headers.get("Retry-After"))
            error = _error(response.read(LARGEST_ERROR))
            return judge(response.status, error, asked_s, work.failures, work.renewals)
        content_type = response.headers.get("Content-Type", "application/octet-stream")
        with SpooledTemporaryFile(IN_MEMORY) as result:
            shutil.copyfileobj(response, result, READ_BYTES)
            done = Done(response.status, content_type, size_of(result))
            if is_unfinished(result, content_type):
                error = {"message": "the engine went away before all of it was done"}
                judged = judge(UNFINISHED, error, None, work.failures)
                if isinstance(judged, Back):
                    return judged
            return self._objects.keep(work, result, done)


def door_of(path: str) -> str:
    """The name of the door whose path it is, with or without the door's name in front."""
    for prefix, name in PREFIXES.items():
        if path.startswith(prefix):
            return name
    return "whisperx" if path.startswith(LISTENING) else "tts"


def is_unfinished(result: IO[bytes], content_type: str) -> bool:
    """Whether a part of it says that it was not done, for a reason that passes."""
    if not content_type.startswith(("application/json", "application/x-ndjson", "text/event-stream")):
        return False
    result.seek(0)
    end = b""
    while piece := result.read(READ_BYTES):
        if PASSING.search(end + piece):
            return True
        end = piece[-LONGEST_CODE:]
    return False


def _error(body: bytes) -> Mapping[str, Any]:
    """The typed error; empty for what is none."""
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}
