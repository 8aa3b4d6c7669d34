"""A stand-in for a training: it counts, a step after the other, and leaves a line in a file for each."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from servers.backends.base import About, Backend, Options, Resumable, Saved, Steps, TranscriptItems
from servers.speech import ModelSpec, Noun, Progress


class CountingOptions(Options):
    load_s: float = 0.0


class Count(Resumable):
    task: str = "train"
    steps: int = Field(ge=1)
    step_s: float = 0.005
    save_every: int = 10
    """What was counted since the last save is counted again after a crash."""
    log: Path
    """A line for each step that is done for good."""


class Counted(Noun):
    steps: int
    resumed: bool


class Counting(Backend):
    requests: ClassVar = {"train": Count}
    options = CountingOptions
    preemptible: ClassVar = frozenset({"train"})

    def load(self, model: ModelSpec, device: str) -> About:
        time.sleep(CountingOptions(**model.options).load_s)
        return About(device=device)

    def train(self, requests: Sequence[Count], steps: Steps) -> TranscriptItems:
        for index, count in enumerate(requests):
            assert count.resume_from is not None
            save = count.resume_from / "step"
            done = saved = int(save.read_text()) if save.exists() else 0
            _catch_up(count.log, done)
            resumed, unsaved = done > 0, []
            while done < count.steps:
                if not steps.go_on():
                    _put_down(save, done, count.log, unsaved)
                    yield index, Saved()
                    return
                time.sleep(count.step_s)
                done += 1
                unsaved.append(done)
                if done - saved >= count.save_every or done == count.steps:
                    _put_down(save, done, count.log, unsaved)
                    saved, unsaved = done, []
                yield index, Progress(done / count.steps)
            yield index, Counted(steps=done, resumed=resumed)


def _put_down(save: Path, done: int, log: Path, steps: Sequence[int]) -> None:
    """The save first: what a kill keeps out of the log between the two is written there on resuming."""
    _replace(save, str(done))
    _add(log, steps)


def _catch_up(log: Path, done: int) -> None:
    logged = log.read_text().split() if log.exists() else []
    _add(log, range(int(logged[-1]) + 1 if logged else 1, done + 1))


def _add(log: Path, steps: Sequence[int]) -> None:
    _replace(log, (log.read_text() if log.exists() else "") + "".join(f"{step}\n" for step in steps))


def _replace(path: Path, content: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(content)
    unfinished.replace(path)
