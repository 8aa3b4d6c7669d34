"""Voices that were fine-tuned here, each a model beside those of models.yaml: a file for each in
`data_dir`/trained_voices.

Every process reads them whenever it looks for a model: one that is new can be asked for without a restart.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from servers.atomic import write_atomically
from servers.speech import Noun
from servers.storage import storing

BACKEND = "qwen3_tts"
"""Which speaks with them."""
SETTLED_S = 1.0
"""A folder that was changed longer ago has not been changed again within the same tick of its clock."""


def finetunes_folder(data_dir: Path, job_id: str) -> Path:
    """What the training of that job of the engine's has made: its checkpoints."""
    return data_dir / "finetunes" / job_id


class TrainedVoice(Noun):
    """Its model is called by `id`; `speaker` is what it is asked for as its voice."""

    id: str
    speaker: str
    checkpoint: Path
    """The folder, absolute."""


class TrainedVoices:
    """Any thread and any process may use it."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "trained_voices"
        self._seen: tuple[int, tuple[TrainedVoice, ...]] = (0, ())
        """When the folder was changed, and what was in it."""

    def __iter__(self) -> Iterator[TrainedVoice]:
        """In the order of their ids."""
        changed, voices = self._seen
        now = self._changed_at()
        if now != changed or time.time() - now / 1e9 < SETTLED_S:
            self._seen = _, voices = now, tuple(self._read())
        return iter(voices)

    def add(self, voice: TrainedVoice) -> None:
        """It can be asked for when this returns. Raises StorageFailed."""
        with storing("the voice"):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / f"{voice.id}.json", voice.model_dump_json().encode())

    def remove(self, voice_id: str) -> None:
        """Nobody can ask for it any more. Raises StorageFailed."""
        with storing("that the voice is gone"):
            (self._folder / f"{voice_id}.json").unlink(missing_ok=True)

    def _changed_at(self) -> int:
        """In nanoseconds; 0 where there is no folder."""
        try:
            return self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _read(self) -> Iterator[TrainedVoice]:
        for file in sorted(self._folder.glob("[!.]*.json")):
            try:
                yield TrainedVoice.model_validate_json(file.read_bytes())
            except FileNotFoundError:  # it has just been removed
                continue
