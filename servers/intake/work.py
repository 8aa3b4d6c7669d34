"""Accepted work as the table has it, and which of it is next: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

KEY_HEADER = "idempotency-key"
PRIORITY = 10
"""Of work that says none."""
REQUEST, JOB = "request", "job"
"""The kinds: what a client sent, and a job of another machine's queue."""
UPLOADING, WAITING, TAKEN = "uploading", "waiting", "taken"
DONE, FAILED, MOVED = "done", "failed", "moved"
"""What the status of work can be; of the latter three it is once it has ended."""
NEEDED = ("id", "status")
TEXTS = ("id", "status", "work", "method", "path", "body_key")
NUMBERS = ("priority", "accepted_at", "not_before", "lease_until", "attempts", "failures", "renewals")
ONLY_OF_WAITING = frozenset({"kind", "lease_until", "taken_by", "not_before", "why"})
"""What of an item says nothing any more once the work has ended."""


@dataclass(frozen=True)
class Work:
    """What one client sent. Times are seconds since the epoch."""

    id: str
    kind: str
    """`work` of its item: what is done with it. "request" is asked of a door or the engine."""
    owner: str | None
    """The id of the API key that sent it; None where none was configured."""
    method: str
    path: str
    """With what is after its question mark."""
    headers: Mapping[str, str]
    body_key: str
    """Of its body in the bucket."""
    priority: int
    """0 is urgent, higher numbers wait longer."""
    accepted_at: float
    attempts: int
    """How often it was taken: the newest alone may end it."""
    failures: int
    """How often it was answered with an error that may pass."""
    renewals: int
    """How often it was asked for anew, after an error of what was computed."""
    item: Mapping[str, Any] = field(compare=False, repr=False)
    """All that the table has of it."""

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        return cls(
            id=item["id"],
            kind=item.get("work", REQUEST),
            owner=item.get("owner") or None,
            method=item.get("method", "POST"),
            path=item.get("path", ""),
            headers=item.get("headers", {}),
            body_key=item.get("body_key", ""),
            priority=item.get("priority", PRIORITY),
            accepted_at=item.get("accepted_at", 0.0),
            attempts=item.get("attempts", 0),
            failures=item.get("failures", 0),
            renewals=item.get("renewals", 0),
            item=item,
        )

    @property
    def key(self) -> str:
        """By which the doors and the engine know it again: the client's own, so that a request which it sends
        again to the machine itself is the same one. What was computed and failed is another's from then on:
        the engine has the failure for it.
        """
        if self.renewals:
            return f"accepted-{self.id}-{self.renewals}"
        return self.headers.get(KEY_HEADER) or f"accepted-{self.id}"


def fault_of(item: Mapping[str, Any]) -> str | None:
    """Why it can be no work; None where nothing is wrong with it. Whatever else is in the table, the rest of
    the work is done.
    """
    if lacking := [name for name in NEEDED if name not in item]:
        return f"it has no {' and no '.join(lacking)}"
    odd = [name for name in TEXTS if not isinstance(item.get(name, ""), str)]
    odd += [name for name in NUMBERS if not isinstance(item.get(name, 0), int | float)]
    odd += [] if isinstance(item.get("headers", {}), Mapping) else ["headers"]
    return f"what it has as {', '.join(odd)} is none" if odd else None


def next_works(
    items: Iterable[Mapping[str, Any]], in_hand: Collection[str], holder: str, now: float
) -> list[Work]:
    """Those that may be taken, the most urgent first, and of these the oldest."""
    works = [Work.of(item) for item in items if may_be_taken(item, in_hand, holder, now)]
    return sorted(works, key=lambda work: (work.priority, work.accepted_at, work.id))


def may_be_taken(item: Mapping[str, Any], in_hand: Collection[str], holder: str, now: float) -> bool:
    """Whether this process may take it:

    1. it is in hand here: no;
    2. its body has yet to come: no;
    3. it was given back for a while that is not over: no;
    4. it was taken: only if by this machine, whose former process left it behind, or if the lease is over;
    5. else yes.
    """
    if item["id"] in in_hand:  # 1
        return False
    if item["status"] == UPLOADING:  # 2
        return False
    if item.get("not_before", 0) > now:  # 3
        return False
    if item["status"] == TAKEN:  # 4
        return bool(item.get("taken_by") == holder or item.get("lease_until", 0) < now)
    return True  # 5


def next_look_s(
    items: Iterable[Mapping[str, Any]], in_hand: Collection[str], idle_s: float, busy_s: float
) -> float:
    """How long until it is looked again: rarely while there is nothing that waits or is in hand."""
    waiting = any(item["status"] != UPLOADING for item in items)
    return busy_s if waiting or in_hand else idle_s
