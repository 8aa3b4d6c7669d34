"""What a client wants while the machine is off: pure, of a request's method, path and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from appliance.exchange import MethodNotAllowed, NotFound, Request

SPEAKING = frozenset({"/generate_batch", "/v1/tts"})
LISTENING = frozenset({"/transcribe", "/transcribe_batch", "/align", "/align_batch"})
OPENAI = frozenset({"/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations"})
"""On both doors."""
ELEVENLABS = re.compile(r"/v1/text-to-speech/[^/]+(/stream(/with-timestamps)?)?")
JOBS = frozenset({"/jobs", "/jobs/batch"})
ID = r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
A_JOB = re.compile(rf"/jobs/({ID})")
OF_WORK = re.compile(rf"/accepted/({ID})(/uploaded)?")
PREFIXED = re.compile(r"/(tts|whisperx)(?=/)")
HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that ask, and start nothing."""


class Wants(StrEnum):
    HEALTH = "health"
    ANNOUNCE = "announce"  # a body that is to be uploaded
    UPLOADED = "uploaded"  # it is there
    STATUS = "status"
    WITHDRAW = "withdraw"
    JOB = "job"  # what became of a job of the job API
    LATER = "later"  # work whose result is fetched some time
    NOW = "now"  # an answer, which nobody can give


@dataclass(frozen=True)
class Wish:
    wants: Wants
    id: str = ""  # of the work, or of the job

    @property
    def is_open(self) -> bool:
        """Whether it needs no key, as at the doors."""
        return self.wants == Wants.HEALTH


def wish(request: Request) -> Wish:
    """The first case that applies:

    1. A path of accepted work: its status, its withdrawal, its upload. Raises NotFound, MethodNotAllowed.
    2. A look at how the server is, at any door.
    3. A job of the job API, by its id.
    4. Jobs for the job API: they are queued there too.
    5. Speech or a transcript, from whoever does not wait for it (Prefer: respond-async).
    6. Anything else wants an answer at once.
    """
    path = request.path.rstrip("/") or "/"
    if path == "/accepted" or path.startswith("/accepted/"):  # 1
        return _of_accepted(request.method, path)
    if PREFIXED.sub("", path) in ("/health", "/ready"):  # 2
        return Wish(Wants.HEALTH)
    if request.method in HARMLESS and (job := A_JOB.fullmatch(path)):  # 3
        return Wish(Wants.JOB, job[1])
    if request.method == "POST" and path in JOBS:  # 4
        return Wish(Wants.LATER)
    if request.method == "POST" and is_work(path) and prefers_async(request.headers):  # 5
        return Wish(Wants.LATER)
    return Wish(Wants.NOW)  # 6


def is_work(path: str) -> bool:
    """Whether a POST there is work whose result can be fetched later."""
    path = path.rstrip("/")
    bare = PREFIXED.sub("", path)
    is_spoken = bare in SPEAKING or ELEVENLABS.fullmatch(bare) is not None
    if path.startswith("/whisperx/"):
        return bare in LISTENING | OPENAI
    if path.startswith("/tts/"):
        return is_spoken or bare in OPENAI
    return is_spoken or bare in LISTENING | OPENAI | JOBS


def prefers_async(headers: Mapping[str, str]) -> bool:
    """RFC 7240: preferences with commas between them, each with its value and its parameters."""
    preferences = (each.partition(";")[0].strip().lower() for each in headers.get("prefer", "").split(","))
    return "respond-async" in preferences


def _of_accepted(method: str, path: str) -> Wish:
    if path == "/accepted":
        return _by_method(method, {"POST": Wants.ANNOUNCE}, "")
    found = OF_WORK.fullmatch(path)
    if not found:
        raise NotFound(f"there is no {path}")
    if found[2]:
        return _by_method(method, {"POST": Wants.UPLOADED}, found[1])
    return _by_method(method, {"GET": Wants.STATUS, "HEAD": Wants.STATUS, "DELETE": Wants.WITHDRAW}, found[1])


def _by_method(method: str, meant: Mapping[str, Wants], id: str) -> Wish:
    if method not in meant:
        raise MethodNotAllowed(f"this path takes {', '.join(meant)}, and no {method}")
    return Wish(meant[method], id)
