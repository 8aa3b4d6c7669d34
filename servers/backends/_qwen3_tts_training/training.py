"""One training, from a data set to a voice: it can be left at each batch, and goes on from what it saved.

What a step does follows from the weights, what AdamW remembers, and the step's number alone. So a training
that was killed and went on from its last save comes to the same weights, on a CPU bit for bit.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from servers.backends._qwen3_tts_training.clips import Codes
from servers.backends._qwen3_tts_training.files import UNFINISHED, storing_weights, write_tensors
from servers.backends._qwen3_tts_training.objective import Example, Objective
from servers.backends._qwen3_tts_training.optimizer import Optimizer
from servers.backends._qwen3_tts_training.request import Epoch, Trained, TrainRequest
from servers.backends._qwen3_tts_training.schedule import Schedule, held_out
from servers.backends._qwen3_tts_training.voice import VoiceWriter, epoch_folder, epoch_folders
from servers.backends.base import Saved, Steps
from servers.errors import BackendFailed
from servers.speech import Progress

STATE = "training.safetensors"
CODES = "codes.safetensors"
PREPARING = 0.05
"""Of the progress."""


@dataclass(frozen=True)
class Account:
    """How far a training is, beside its weights."""

    started_from: str = "base"
    warnings: tuple[str, ...] = ()
    steps: int = 0
    """That were done."""
    loss_sum: float = 0.0
    """Of this epoch's steps."""
    epochs: tuple[Epoch, ...] = ()
    """Those that ended, with their checkpoints."""

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"epochs": [epoch.model_dump() for epoch in self.epochs]})

    @classmethod
    def from_json(cls, text: str) -> Account:
        found = json.loads(text)
        epochs = tuple(Epoch(**epoch) for epoch in found["epochs"])
        return cls(**found | {"epochs": epochs, "warnings": tuple(found["warnings"])})


def last_account(folder: Path) -> Account | None:
    """Of the last save in a job's folder, if there is one."""
    if not (folder / STATE).exists():
        return None
    with safe_open(folder / STATE, framework="pt") as opened:
        return Account.from_json(opened.metadata()["account"])


class Leaving(Exception):
    """It was told to save itself and end."""


@dataclass
class Training:
    """Weights are where the account says. `folder` is the job's own, `results` that of its checkpoints."""

    request: TrainRequest
    account: Account
    objective: Objective
    optimizer: Optimizer
    voice: VoiceWriter
    codes: Codes
    folder: Path
    results: Path
    save_every_steps: int
    autocast: torch.dtype | None
    """What matrices are multiplied in; None is the dtype of the weights."""
    device: str
    seconds: Sequence[float]
    """Of the clips."""
    schedule: Schedule = field(init=False)
    _train: list[Example] = field(init=False, default_factory=list)
    _held_out: list[Example] = field(init=False, default_factory=list)
    _saved_steps: int = field(init=False, default=0)
    _loss: float | None = field(init=False, default=None)
    """Of the last step."""

    def __post_init__(self) -> None:
        asked = self.request
        self._places = held_out(len(self.seconds), asked.held_out, asked.seed)
        self.schedule = Schedule(
            clips=len(self.seconds) - len(self._places),
            batch_size=asked.batch_size,
            accumulation=asked.gradient_accumulation,
            epochs=asked.num_epochs,
            seed=asked.seed,
        )

    def run(self, steps: Steps) -> Iterator[Progress | Saved | Trained]:
        """Raises StorageFailed, and BackendFailed where the numbers overflow."""
        try:
            self._go_on_from_last()
            yield from self._prepare(steps)
            while not self._is_over:
                yield from self._end_epoch(steps) if self._epoch_is_over else self._step(steps)
        except Leaving:
            yield self._progress()  # one that was cancelled is closed here, and saves nothing
            self._save()
            yield Saved()
        else:
            yield self._trained()

    def _go_on_from_last(self) -> None:
        for left in self.results.glob(f"{UNFINISHED}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        if (self.folder / STATE).exists():
            self.optimizer.restore(load_file(self.folder / STATE))
            self._saved_steps = self.account.steps

    def _prepare(self, steps: Steps) -> Iterator[Progress]:
        share = 0.0
        for share in self.codes.make():
            yield self._progress(preparing=share)
            _ask(steps)
        self.codes.save()
        for place, example in enumerate(self.codes.examples()):
            (self._held_out if place in self._places else self._train).append(example)

    def _step(self, steps: Steps) -> Iterator[Progress]:
        batches = self.schedule.batches(self.account.steps)
        together = [self._train[place] for batch in batches for place in batch]
        frames, loss = sum(example.frames for example in together), 0.0
        for number, batch in enumerate(batches):
            _ask(steps)
            loss += self._batch([self._train[place] for place in batch], frames, len(together))
            if number + 1 < len(batches):
                yield self._progress()
        if not torch.isfinite(torch.tensor(loss)):
            raise BackendFailed(
                "the loss is no number any more: a smaller lr, or more warmup_steps, may help"
            )
        self.optimizer.step(self.account.steps)
        self._loss = loss
        self.account = replace(
            self.account, steps=self.account.steps + 1, loss_sum=self.account.loss_sum + loss
        )
        if self.account.steps % self.save_every_steps == 0 and not self._epoch_is_over:
            self._save()
        yield self._progress()

    def _batch(self, examples: Sequence[Example], frames: int, ends: int) -> float:
        """Adds to the gradients; the batch's part of the step's loss."""
        with self._precision():
            total = self.objective.loss(examples, frames, ends).total
        total.backward()
        return float(total.detach())

    def _precision(self) -> Any:
        if self.autocast is None:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, self.autocast)

    def _end_epoch(self, steps: Steps) -> Iterator[Progress]:
        """Its losses, its checkpoint, and only then a save that has both behind it."""
        number = len(self.account.epochs)
        ended = Epoch(
            epoch=number + 1,
            loss=self.account.loss_sum / self.schedule.steps_per_epoch,
            held_out_loss=self._held_out_loss(steps),
        )
        self.voice.write(epoch_folder(self.results, number))
        for old in epoch_folders(self.results)[: -self.request.keep_checkpoints]:
            shutil.rmtree(old, ignore_errors=True)
        self.account = replace(self.account, loss_sum=0.0, epochs=(*self.account.epochs, ended))
        if not self._is_over:
            self._save(again=True)
        yield self._progress()

    @torch.no_grad()
    def _held_out_loss(self, steps: Steps) -> float | None:
        frames, ends = sum(example.frames for example in self._held_out), len(self._held_out)
        total, size = 0.0, self.request.batch_size
        for first in range(0, ends, size):
            _ask(steps)
            with self._precision():
                total += float(self.objective.loss(self._held_out[first : first + size], frames, ends).total)
        return total if ends else None

    @property
    def _epoch_is_over(self) -> bool:
        return self.account.steps == (len(self.account.epochs) + 1) * self.schedule.steps_per_epoch

    @property
    def _is_over(self) -> bool:
        return len(self.account.epochs) == self.schedule.epochs

    def _save(self, *, again: bool = False) -> None:
        """Puts down what was done, unless that is on the disk. Half a step is done again."""
        self.optimizer.forget_gradients()
        self.codes.save()
        if self.account.steps in (0, self._saved_steps) and not again:
            return
        with storing_weights("the state of the training"):
            about = {"account": self.account.to_json()}
            write_tensors(self.folder / STATE, dict(self.optimizer.state()), about)
        self._saved_steps = self.account.steps

    def _progress(self, preparing: float | None = None) -> Progress:
        schedule, done = self.schedule, self.account.steps
        epoch = min(done // schedule.steps_per_epoch, schedule.epochs - 1)
        details: dict[str, Any] = {
            "stage": "training" if preparing is None else "preparing",
            "epoch": epoch + 1,
            "total_epochs": schedule.epochs,
            "step": done - epoch * schedule.steps_per_epoch,
            "steps_per_epoch": schedule.steps_per_epoch,
            "global_step": done,
            "loss": self._loss,
            "held_out_loss": self.account.epochs[-1].held_out_loss if self.account.epochs else None,
            "started_from": self.account.started_from,
        }
        trained = (1 - PREPARING) * done / schedule.steps
        start = PREPARING if preparing is None or done else PREPARING * preparing
        return Progress(start + trained, details)

    def _trained(self) -> Trained:
        folders = epoch_folders(self.results)
        return Trained(
            checkpoint=folders[-1],
            checkpoints=tuple(folders),
            speaker_name=self.request.speaker_name,
            epochs=self.account.epochs,
            global_step=self.account.steps,
            clips=len(self._train),
            held_out_clips=len(self._held_out),
            seconds=round(
                sum(each for place, each in enumerate(self.seconds) if place not in self._places), 3
            ),
            started_from=self.account.started_from,
            warnings=self.account.warnings,
        )


def _ask(steps: Steps) -> None:
    if not steps.go_on():
        raise Leaving
