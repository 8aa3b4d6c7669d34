"""Which job next: a pure function of the queue's heads, what is resident, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from servers.jobs.store import Head

Model = tuple[str, str]
"""A backend's name and the model's name."""


@dataclass(frozen=True)
class Affinity:
    """What a job may prefer: the models that are resident, and the application that was served last."""

    resident: Mapping[Model, float] = field(default_factory=dict)
    """Since when each is, in the time of the jobs' created_at."""
    application_id: str | None = None


def choose(heads: Sequence[Head], affinity: Affinity, now: float, max_wait_s: float) -> Head | None:
    """The job to run next, None when nothing is queued.

    1. Priority 0, oldest first.
    2. A job that has waited longer than `max_wait_s`, so that nothing starves: first those that were there
       when a resident model came, for it came to serve them, then the oldest. Only so does a queue that is
       longer than max_wait_s not end in a swap of models for each job; and those who were there are so
       many and no more, so that the others' turn comes.
    3. The most urgent band; in it same model and application, same model, same application, the oldest.
    """
    urgent = [head for head in heads if head.priority == 0]
    if urgent:  # 1.
        return min(urgent, key=_age)
    overdue = [head for head in heads if _is_overdue(head, now, max_wait_s)]
    if overdue:  # 2.
        return min([head for head in overdue if _was_there(head, affinity)] or overdue, key=_age)
    band = min((head.priority for head in heads), default=None)
    return min(  # 3.
        (head for head in heads if head.priority == band),
        key=lambda head: (_distance(head, affinity), _age(head)),
        default=None,
    )


def is_pressing(head: Head, now: float, max_wait_s: float) -> bool:
    """Whether it is urgent or overdue: then nothing that can wait goes before it."""
    return head.priority == 0 or _is_overdue(head, now, max_wait_s)


def _is_overdue(head: Head, now: float, max_wait_s: float) -> bool:
    return now - head.created_at > max_wait_s


def _age(head: Head) -> int:
    return head.seq


def _was_there(head: Head, affinity: Affinity) -> bool:
    return head.created_at <= affinity.resident.get(head.model, float("-inf"))


def _distance(head: Head, affinity: Affinity) -> int:
    same_model = head.model in affinity.resident
    same_application = head.application_id == affinity.application_id
    return (0 if same_application else 1) + (0 if same_model else 2)
