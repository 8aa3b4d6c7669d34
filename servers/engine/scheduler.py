"""Which job next: a pure function of the queue's heads, what is resident, and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from servers.jobs.store import Head

Model = tuple[str, str]
"""A backend's name and the model's name."""


@dataclass(frozen=True)
class Affinity:
    """What a job may prefer: the models that are loaded, and the application that was served last."""

    resident: frozenset[Model] = frozenset()
    application_id: str | None = None


def choose(heads: Sequence[Head], affinity: Affinity, now: float, max_wait_s: float) -> Head | None:
    """The job to run next, None when nothing is queued.

    1. Priority 0, oldest first.
    2. A job that has waited longer than `max_wait_s`, oldest first, so that nothing starves.
    3. The most urgent band; in it same model and application, same model, same application, the oldest.
    """
    urgent = [head for head in heads if head.priority == 0]
    if urgent:  # 1.
        return min(urgent, key=_age)
    overdue = [head for head in heads if now - head.created_at > max_wait_s]
    if overdue:  # 2.
        return min(overdue, key=_age)
    band = min((head.priority for head in heads), default=None)
    return min(  # 3.
        (head for head in heads if head.priority == band),
        key=lambda head: (_distance(head, affinity), _age(head)),
        default=None,
    )


def _age(head: Head) -> int:
    return head.seq


def _distance(head: Head, affinity: Affinity) -> int:
    same_model = head.model in affinity.resident
    same_application = head.application_id == affinity.application_id
    return (0 if same_application else 1) + (0 if same_model else 2)
