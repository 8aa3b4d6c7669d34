"""A training's data set, from the zip to the folder that is trained with, and the report on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from servers.buckets.bucket import bucket
from servers.datasets.archive import unpack
from servers.datasets.clips import check
from servers.datasets.prepared import prepare, prepared_folder
from servers.errors import InvalidDataset, NotFound
from servers.finetune.aligning import Listener
from servers.finetune.trainings import REPORT, UNPACKED, ZIP, Training, Trainings
from servers.jobs.client import JobsClient
from servers.jobs.requests import Requests
from servers.settings import Settings
from servers.storage import storing


class Preparing:
    """`listening` gives the requests of the models that listen, once one is needed."""

    def __init__(
        self, client: JobsClient, listening: Callable[[], Requests], loaded: Settings, trainings: Trainings
    ) -> None:
        self._client, self._listening = client, listening
        self._settings, self._trainings = loaded, trainings

    def folder(self, training_id: str) -> Path:
        """What is trained with, once it is there."""
        return prepared_folder(self._settings.data_dir, training_id)

    def prepare(self, training: Training, wanted: Callable[[str], bool]) -> tuple[str, ...]:
        """Makes the folder; returns what there is to say of it.

        Raises InvalidDataset where nothing can be used, StorageFailed, what the bucket and the engine say,
        and JobCancelled once the training is not wanted any more.
        """
        home = self._trainings.home(training.id)
        self._fetch(training, home / ZIP)
        unpacked = home / UNPACKED
        with storing("the data set"):
            shutil.rmtree(unpacked, ignore_errors=True)
            unpacked.mkdir()
        unpack(home / ZIP, unpacked)
        language, owner = training.payload.get("language"), training.owner
        still = partial(wanted, training.id)
        listener = Listener(self._client, self._listening, language, owner, still) if training.align else None
        report = check(unpacked, listener)
        with storing("the report on the data set"):
            (home / REPORT).write_text(report.model_dump_json(indent=1), encoding="utf-8")
        prepare(unpacked, self.folder(training.id), report)
        if listener is None or listener.why_not is None:
            return ()
        return (f"the recordings were not listened to for their texts: {listener.why_not}",)

    def discard(self, training_id: str) -> None:
        """What the folder was made of."""
        home = self._trainings.home(training_id)
        (home / ZIP).unlink(missing_ok=True)
        shutil.rmtree(home / UNPACKED, ignore_errors=True)

    def discard_all(self, training_id: str) -> None:
        """The data set in every form."""
        self.discard(training_id)
        shutil.rmtree(self.folder(training_id), ignore_errors=True)

    def _fetch(self, training: Training, path: Path) -> None:
        key = training.dataset_s3_key
        if key is None or path.exists():
            return
        new = path.with_suffix(".part")
        try:
            with storing("the data set"), new.open("wb") as file:
                bucket(self._settings.s3).fetch(key, file)
        except NotFound as error:
            raise InvalidDataset(error.message, param="dataset_s3_key") from None
        new.rename(path)
