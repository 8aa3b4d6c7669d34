"""From a data set to a voice that speaks: each training is taken from status to status.

What is done is in the training's record before it goes on, and the engine's jobs have names of their own
(idempotency keys): after a crash it goes on where it was, and nothing is done twice. One thread prepares data
sets, which may take long, another one follows what the engine does.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers.errors import BackendFailed, EngineUnavailable, JobCancelled, JobNotFound, SkylarkError
from servers.finetune.preparing import Preparing
from servers.finetune.trainings import PRIORITY, Status, Training, Trainings
from servers.jobs.client import JobsClient
from servers.jobs.durations import PREPARE_DATA, TRAINING, Durations
from servers.jobs.requests import Requests
from servers.settings import Settings
from servers.trained_voices import BACKEND, TrainedVoice, TrainedVoices, finetunes_folder

TRAINER = "qwen3_tts_training"
"""The backend that trains."""
FIRST_WORDS = "This is a voice of its own."
"""A voice is ready once it has said them."""
Statuses = tuple[Status, ...]
PREPARED: Statuses = (Status.QUEUED, Status.PREPARING)
FOLLOWED: Statuses = (Status.TRAINING, Status.LOADING)
"""The statuses of each thread's trainings."""
LOOK_EVERY_S = 0.5
AWAY_EVERY_S = 5.0
"""How long an engine that is away is left alone."""
FORSAKEN_S = 86_400.0
log = logging.getLogger(__name__)


class Lifecycle:
    """`listening` gives the requests of the models that listen, once one is needed."""

    def __init__(
        self,
        client: JobsClient,
        listening: Callable[[], Requests],
        loaded: Settings,
        durations: Durations,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.trainings, self.voices = Trainings(loaded.data_dir), TrainedVoices(loaded.data_dir)
        self._client, self._data_dir = client, loaded.data_dir
        self._preparing = Preparing(client, listening, loaded, self.trainings)
        self._durations, self._clock = durations, clock
        self._stopped = threading.Event()
        self._woken = {statuses: threading.Event() for statuses in (PREPARED, FOLLOWED)}

    def start(self) -> None:
        for statuses in self._woken:
            threading.Thread(target=self._live, args=(statuses,), name="trainings", daemon=True).start()

    def stop(self) -> None:
        """What is in hand is left as it is, and taken up again at the next start."""
        self._stopped.set()
        self.wake()

    def wake(self) -> None:
        """There is a new training, or one has got further."""
        for woken in self._woken.values():
            woken.set()

    def cancel(self, training: Training) -> Training:
        """It ends now. Raises JobCancelled where it had ended, EngineUnavailable and StorageFailed."""
        if training.job_id is not None:
            self._client.cancel(training.job_id)
        ended = self.trainings.change(training.id, status=Status.CANCELLED, finished_at=self._clock())
        self.wake()
        return ended

    def remove(self, training: Training) -> None:
        """It, its report and its voice are gone when this returns. Raises StorageFailed."""
        self._clear(training)
        self.trainings.remove(training.id)

    def step(self, statuses: Statuses) -> bool:
        """Takes each training of the statuses as far as it can be taken at once; whether there is one still.

        Raises EngineUnavailable.
        """
        self._sweep()
        for training in self._of(statuses):
            try:
                self._advance(training)
            except EngineUnavailable:
                raise
            except JobCancelled:
                self._clear_if_cancelled(training)
            except SkylarkError as error:
                self._fail(training, error)
            except Exception as error:
                log.exception("a training failed", extra={"action": "train", "training": training.id})
                self._fail(training, BackendFailed(f"the training failed: {type(error).__name__}"))
        return bool(self._of(statuses))

    def _of(self, statuses: Statuses) -> list[Training]:
        return [each for each in self.trainings.all() if each.status in statuses]

    def _live(self, statuses: Statuses) -> None:
        woken = self._woken[statuses]
        while not self._stopped.is_set():
            pause_s: float | None = LOOK_EVERY_S
            woken.clear()
            try:
                with self._alone(statuses[0]) as alone:
                    if alone and not self.step(statuses):
                        pause_s = None  # nothing is to be done until somebody comes
            except EngineUnavailable as error:
                pause_s = AWAY_EVERY_S
                log.warning("no training goes on: %s", error.message, extra={"action": "train"})
            except Exception:
                pause_s = AWAY_EVERY_S
                log.exception("no training goes on", extra={"action": "train"})
            woken.wait(pause_s)

    @contextmanager
    def _alone(self, first: Status) -> Iterator[bool]:
        """Whether no other process does the same: there are two while one replaces the other."""
        self.trainings.folder.mkdir(parents=True, exist_ok=True)
        with (self.trainings.folder / f".{first}.lock").open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _advance(self, training: Training) -> None:
        match training.status:
            case Status.QUEUED | Status.PREPARING:
                self._prepare(training)
            case Status.TRAINING:
                self._train(training)
            case Status.LOADING:
                self._load(training)

    def _prepare(self, training: Training) -> None:
        training = self.trainings.change(training.id, status=Status.PREPARING)
        warnings = training.warnings
        if not self._preparing.folder(training.id).exists():
            begun = time.monotonic()
            with self._durations.measured(PREPARE_DATA, training.owner) as work:
                work.job_id = training.id
                warnings += self._preparing.prepare(training, self._wanted)
            self._note(PREPARE_DATA, time.monotonic() - begun, training)
        payload = training.payload | {"dataset": training.id}
        job_id = self._submit(training, "training", TRAINER, training.model, payload)
        try:
            self.trainings.change(training.id, status=Status.TRAINING, job_id=job_id, warnings=warnings)
        except JobCancelled:  # in this moment, and whoever did it did not know of the engine's job
            self._client.cancel(job_id)
            raise
        self._preparing.discard(training.id)
        self.wake()

    def _train(self, training: Training) -> None:
        job = self._job(training)
        if job["finished_at"] is None:
            return
        if job["status"] == "cancelled":
            self._end(training, status=Status.CANCELLED)
            return
        took_s = job["finished_at"] - (job["started_at"] or job["finished_at"])
        self._note(TRAINING, took_s, training, error=(job["error"] or {}).get("code"))
        if job["error"] is not None:
            raise SkylarkError.from_dict(job["error"])
        checkpoint = Path(job["result"]["checkpoint"])
        self.voices.add(TrainedVoice(id=training.id, speaker=training.speaker_name, checkpoint=checkpoint))
        warnings = (*training.warnings, *job["result"]["warnings"])
        self.trainings.change(training.id, status=Status.LOADING, checkpoint=checkpoint, warnings=warnings)

    def _job(self, training: Training) -> dict[str, Any]:
        assert training.job_id is not None
        try:
            return self._client.get(training.job_id)
        except JobNotFound:
            raise BackendFailed("the engine does not know the training's job any more") from None

    def _load(self, training: Training) -> None:
        payload = {"task": "synthesize", "text": FIRST_WORDS}  # it has one voice
        job = self._client.get(self._submit(training, "first-words", BACKEND, training.id, payload))
        if job["finished_at"] is None:
            return
        if job["error"] is not None:
            raise SkylarkError.from_dict(job["error"])
        if job["status"] != "done":
            raise BackendFailed("the voice was not heard: its first words were cancelled")
        self._end(training, status=Status.READY)

    def _submit(
        self, training: Training, what: str, backend: str, model: str, payload: dict[str, Any]
    ) -> str:
        """The same one for the same training, however often."""
        job = {"model_type": backend, "model": model, "payload": payload, "priority": PRIORITY}
        job |= {"expires": False, "idempotency_key": f"{training.id}/{what}", "application_id": "finetune"}
        (job_id,) = self._client.submit([job], owner=training.owner)
        return job_id

    def _note(self, name: str, seconds: float, training: Training, error: str | None = None) -> None:
        self._durations.note(name, seconds, owner=training.owner, job_id=training.id, error=error)

    def _wanted(self, training_id: str) -> bool:
        found = self.trainings.now(training_id)
        return found is not None and not found.has_ended and not self._stopped.is_set()

    def _end(self, training: Training, **changes: Any) -> None:
        self.trainings.change(training.id, finished_at=self._clock(), **changes)
        self._preparing.discard_all(training.id)

    def _fail(self, training: Training, error: SkylarkError) -> None:
        """Nothing half promoted: a voice that cannot speak is no model."""
        fields = {"action": "train", "training": training.id, "error": error.code}
        log.warning("a training failed: %s", error.message, extra=fields)
        self.voices.remove(training.id)
        try:
            self._end(training, status=Status.FAILED, error=error.to_dict())
        except JobCancelled:
            self._clear_if_cancelled(training)

    def _clear_if_cancelled(self, training: Training) -> None:
        """A server that stops leaves it as it is."""
        now = self.trainings.now(training.id)
        if now is None or now.status is Status.CANCELLED:
            self._clear(training)

    def _clear(self, training: Training) -> None:
        """Leaves its record and its report."""
        self.voices.remove(training.id)
        self._preparing.discard_all(training.id)
        if training.job_id is not None:
            shutil.rmtree(finetunes_folder(self._data_dir, training.job_id), ignore_errors=True)

    def _sweep(self) -> None:
        """What those that were cancelled have left, some of it only just now: a runner may be slow to end."""
        for training in self._of((Status.CANCELLED,)):
            self._clear(training)
        for folder in list(self.trainings.forsaken(self._clock() - FORSAKEN_S)):
            shutil.rmtree(folder, ignore_errors=True)
