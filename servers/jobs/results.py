"""The audio of jobs: a file for each, written while the job runs and readable from any sample on.

A file is named for the job and the claim that made it, so that a runner that was given up for dead can
never write into the audio of its successor. It holds little-endian int16 mono PCM and nothing else; the
sample rate stands in the job's result.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from io import FileIO
from pathlib import Path

from servers.jobs.job import Job
from servers.speech import Word

BYTES_PER_SAMPLE = 2


def recording(data_dir: Path, job_id: str, claim: int) -> Path:
    """The file of what that claim of the job made."""
    return data_dir / "results" / f"{job_id}.{claim}.s16"


class Results:
    """The folder that holds them."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir, self._folder = data_dir, data_dir / "results"
        self._folder.mkdir(parents=True, exist_ok=True)

    def path(self, job: Job) -> Path:
        return recording(self._data_dir, job.id, job.token)

    def record(self, job: Job) -> LiveAudio:
        """An empty recording of the job's present claim."""
        return LiveAudio(self.path(job), job.token)

    def delete(self, job_ids: Iterable[str]) -> None:
        """Removes the audio of these jobs, of every claim."""
        gone = set(job_ids)
        for file in self._folder.iterdir():
            if file.name.partition(".")[0] in gone:
                file.unlink(missing_ok=True)


class LiveAudio:
    """Audio that grows: one thread appends, any number read the file.

    The file is made with the first chunk: a disk that takes no more files is that job's error.
    `complete` is None while it grows, then whether the job's audio is all there.
    """

    def __init__(self, path: Path, claim: int = 1) -> None:
        self.path, self.claim = path, claim
        self.sample_rate: int | None = None
        self.samples = 0
        self.complete: bool | None = None
        self.words: list[tuple[int, Word]] = []
        """The words that are known by now, each with the number of samples that there were then."""
        self._lock = threading.Lock()
        self._file: FileIO | None = None

    @property
    def duration_s(self) -> float:
        return self.samples / self.sample_rate if self.sample_rate else 0.0

    def append(self, pcm: bytes, sample_rate: int, words: Sequence[Word] = ()) -> None:
        """Adds a chunk and the words that became known with it; nothing once the recording has ended.

        Raises OSError when the disk is full, ValueError when the rate changes.
        """
        if self.sample_rate not in (None, sample_rate):
            raise ValueError(f"the sample rate changed from {self.sample_rate} to {sample_rate} Hz")
        with self._lock:
            if self.complete is not None:
                return
            file, rest = self._opened(), memoryview(pcm)
            while rest:
                rest = rest[file.write(rest) :]
            samples = self.samples + len(pcm) // BYTES_PER_SAMPLE
            self.words += [
                (samples, word) for word in words
            ]  # before the samples: whoever sees those has them
            self.sample_rate, self.samples = sample_rate, samples

    def words_between(self, start: int, end: int) -> list[Word]:
        """Those that became known with the samples after `start`, up to `end`."""
        return [word for known_at, word in self.words if start < known_at <= end]

    def seal(self) -> None:
        """Ends the recording and makes it durable."""
        with self._lock:
            file = self._opened()
            os.fsync(file.fileno())
            file.close()
            self.complete = True

    def abandon(self) -> None:
        """Ends the recording and removes its file; readers keep what they have open."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self.path.unlink(missing_ok=True)
            self.complete = False

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = FileIO(self.path, "wb")
        return self._file
