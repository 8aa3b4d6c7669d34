"""What came of a piece of work, and what becomes of one that was refused: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servers.errors import StorageFailed

MOST_FAILURES = 10
"""Answers of 5xx after which work ends: with the pauses a quarter of an hour."""
MOST_COMPUTED = 3
"""Answers of 500 after which it ends: each of them is an engine's that has tried max_attempts times."""
COMPUTED, GONE = 500, 410
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0
BUSY_PAUSE_S = 5.0
"""After what says nothing of the work: a door that is not there, or has enough to do."""
LONGEST_ASKED_S = 900.0
"""No Retry-After is followed for longer."""
LONGEST_MESSAGE, LONGEST_NAME = 1_000, 200
"""Characters of what is stored of an error: an item of the table has an end, and a `param` may be as long as
a client's name of a field.
"""
Error = Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """Its result is in the bucket."""

    status: int
    content_type: str
    bytes: int
    audio: Mapping[str, int] = field(default_factory=dict)
    """Of a job, or of each of a batch by its place: how many bytes its audio has, beside the result."""


@dataclass(frozen=True)
class Moved:
    """It is a job of this machine's engine from now on."""

    job_id: str


@dataclass(frozen=True)
class Failed:
    """It ends without a result."""

    status: int
    error: Error
    """{"code", "message", "param"?}."""


@dataclass(frozen=True)
class Back:
    """It waits again."""

    after_s: float
    why: str
    failed: bool = False
    """Whether it counts among its failures."""
    anew: bool = False
    """Whether it is to be computed anew, and not asked for again."""


Outcome = Done | Moved | Failed | Back


def gone() -> Failed:
    """Of work of which the bucket has no body: its rule removes what has waited for too long."""
    return Failed(GONE, {"code": "not_found", "message": "its body is not in the bucket any more"})


def judge(
    status: int, error: Error, retry_after_s: float | None, failures: int, renewals: int = 0
) -> Failed | Back:
    """What becomes of work that was answered with that status, after so many failures before, so many of them
    of what was computed.

    1. The door does not know who asks, for it has another start's secret: back, that is no fault of the work.
    2. The door or the engine has enough to do: back.
    3. The request itself is wrong, and asked again would be: it ends with what the door said of it.
    4. An error that may pass, once too often: it ends, and says so.
    5. An error that may pass: back, each time for longer. What was computed is computed anew; a disk that is
       full has computed nothing.
    """
    if status == 401:  # 1
        return Back(BUSY_PAUSE_S, "the door does not let the intake in")
    if status == 429:  # 2
        return Back(_at_least(BUSY_PAUSE_S, retry_after_s), "the queue is full")
    if status < 500 and status != 408:  # 3
        return Failed(status, wire_error(error, status))
    computed = status == COMPUTED and error.get("code") != StorageFailed.code
    if failures + 1 >= MOST_FAILURES or (computed and renewals + 1 >= MOST_COMPUTED):  # 4
        return Failed(status, _given_up(error, status, failures + 1))
    pause_s = min(FIRST_PAUSE_S * 2**failures, LONGEST_PAUSE_S)  # 5
    return Back(_at_least(pause_s, retry_after_s), f"it was answered with {status}", True, computed)


def wire_error(error: Error, status: int) -> dict[str, Any]:
    """{"code", "message", "param"?} with an end to each, also of an answer that was none of ours."""
    message = str(error.get("message") or f"it was answered with {status}")
    code = str(error.get("code") or "internal_error")
    found = {"code": code[:LONGEST_NAME], "message": message[:LONGEST_MESSAGE]}
    return found | ({"param": str(error["param"])[:LONGEST_NAME]} if error.get("param") else {})


def retry_after_s(header: str | None) -> float | None:
    """The seconds of a Retry-After; None where it has none (a date, as no door of ours says one)."""
    return float(header) if header is not None and header.isascii() and header.isdecimal() else None


def _given_up(error: Error, status: int, failures: int) -> dict[str, Any]:
    found = wire_error(error, status)
    message = f"it was tried {failures} times; at the last: {found['message']}"
    return found | {"message": message[:LONGEST_MESSAGE]}


def _at_least(pause_s: float, asked_s: float | None) -> float:
    return max(pause_s, min(asked_s or 0.0, LONGEST_ASKED_S))
