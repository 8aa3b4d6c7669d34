"""How long jobs may compute: by what they ask for, and whatever their runner says.

A runner that beats on may still be stuck in its model's code. Waiting, loading and pausing cost a job nothing
of its time; what can be interrupted and goes on for days has no limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from servers.audio.files import probe, recording
from servers.errors import InvalidRequest, TimeLimitExceeded
from servers.jobs.job import Job
from servers.settings import Limits
from servers.speech import Noun

LEAST_BYTES_PER_S = 1000
"""Of audio whose length is not known: 8 kbit/s, which is poor speech."""


def time_limit_s(request: Noun, recordings: Iterable[Path], limits: Limits) -> float:
    """How long one attempt at a job may compute: by the characters of all its texts, and by its audio."""
    audio_s = sum(_duration_s(path, limits.max_audio_s) for path in recordings)
    return (
        limits.job_base_s
        + limits.job_s_per_1000_chars * _characters(request.model_dump(exclude={"task"})) / 1000
        + limits.job_s_per_audio_s * audio_s
    )


def exceeded(job: Job) -> TimeLimitExceeded:
    return TimeLimitExceeded(
        f"the job was not done within the {job.time_limit_s or 0:.0f} s of computing that its length allows; "
        "limits.job_base_s, job_s_per_1000_chars and job_s_per_audio_s in skylark.yaml say how many"
    )


@dataclass
class TimeLeft:
    """Of the open jobs of one run, by index. Times are of the models' clock.

    A model may serve the jobs of a batch one after the other, or all at once and each more slowly: either way
    they take no longer together than one by one.

    1. Within the sum of the limits of all that are open one of them ends, or the run is stuck. Which of them
       is to blame nobody can tell.
    2. A job may wait for all that are open when it comes, and then share the model with a full batch: after
       that its time is used up, though others come and go.
    """

    _limits_s: dict[int, float] = field(default_factory=dict)
    _due_at: dict[int, float] = field(default_factory=dict)
    _moved_at: float = -math.inf
    """When one of them last ended, or came."""

    def begin(self, jobs: Mapping[int, Job], max_batch: int, now: float) -> None:
        """These jobs have come; so many can share the model."""
        self._limits_s |= {index: job.time_limit_s or math.inf for index, job in jobs.items()}
        together_s = sum(self._limits_s.values())
        self._due_at |= {index: now + together_s + max_batch * self._limits_s[index] for index in jobs}
        self._moved_at = now

    def end(self, index: int, now: float) -> None:
        if not self.is_stuck(now):
            self._moved_at = now
        self._limits_s.pop(index, None)
        self._due_at.pop(index, None)

    def is_stuck(self, now: float) -> bool:
        """1. It stays so, whatever ends afterwards."""
        return bool(self._limits_s) and now - self._moved_at > sum(self._limits_s.values())

    def used_up(self, now: float) -> Sequence[int]:
        """2."""
        return [index for index, due_at in self._due_at.items() if now > due_at]


def _characters(value: object) -> int:
    match value:
        case str():
            return len(value)
        case dict():
            return sum(map(_characters, value.values()))
        case list() | tuple():
            return sum(map(_characters, value))
    return 0


def _duration_s(path: Path, longest_s: float) -> float:
    """By its header; what has none that we know is taken for long, and what is not there yet as well."""
    try:
        with recording(path) as audio:
            return probe(audio, by_header=True).duration_s
    except InvalidRequest:  # it cannot be read, or not so easily
        return max(longest_s, _size(path) / LEAST_BYTES_PER_S)


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except OSError:  # whoever reads it will say so
        return 0
