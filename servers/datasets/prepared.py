"""A data set as it is trained with: a folder with the recordings that are used, as mono audio of 24 kHz.

clips.jsonl     {"audio": "clips/00000001.wav", "text": …, "seconds": …} for each, in order
clips/…         the recordings
reference.wav   the one that says whose voice it is
report.json     what was found in the data set that it was made of
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from servers.audio.encode import encode
from servers.audio.files import read, recording
from servers.audio.pcm import to_int16
from servers.datasets import manifest
from servers.datasets.clips import SAMPLE_RATE
from servers.datasets.manifest import Clip
from servers.datasets.report import Report
from servers.errors import InvalidDataset
from servers.storage import storing

CLIPS = "clips.jsonl"
REFERENCE = "reference.wav"
REPORT = "report.json"


def prepared_folder(data_dir: Path, name: str) -> Path:
    return data_dir / "datasets" / name


class PreparedClip(BaseModel):
    """`audio` is relative to the folder."""

    model_config = ConfigDict(frozen=True, strict=True)

    audio: str
    text: str
    seconds: float


@dataclass(frozen=True)
class Prepared:
    folder: Path
    clips: Sequence[PreparedClip]

    @property
    def reference(self) -> Path:
        return self.folder / REFERENCE

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises InvalidDataset where there is none that is whole."""
        try:
            lines = (folder / CLIPS).read_text(encoding="utf-8").splitlines()
            clips = [PreparedClip.model_validate_json(line) for line in lines]
        except (OSError, UnicodeDecodeError, ValidationError):
            raise InvalidDataset(
                f"there is no data set {folder.name!r} that was prepared", param="dataset"
            ) from None
        if not clips or not (folder / REFERENCE).is_file():
            raise InvalidDataset(f"the data set {folder.name!r} is empty", param="dataset")
        return cls(folder, clips)


def prepare(source: Path, folder: Path, report: Report) -> None:
    """Makes `folder`, which is not there yet, of the unpacked data set in `source`: whole or not at all. What
    can be used of that is in the report on it.

    Raises InvalidDataset where nothing of it can be used, and StorageFailed.
    """
    report.check_usable()
    assert report.reference is not None
    new = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    with storing("the data set"):
        try:
            (new / "clips").mkdir(parents=True)
            lines = [
                _put(source, clip, new, number) for number, clip in enumerate(_kept(source, report), start=1)
            ]
            _convert(source / report.reference, new / REFERENCE)
            (new / REPORT).write_text(report.model_dump_json(indent=1), encoding="utf-8")
            (new / CLIPS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            os.rename(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _kept(source: Path, report: Report) -> Sequence[Clip]:
    left_out = {finding.line for finding in report.findings if finding.leaves_out}
    clips = [found for found in manifest.read(source) if isinstance(found, Clip)]
    return [clip for clip in clips if clip.line not in left_out]


def _put(source: Path, clip: Clip, new: Path, number: int) -> str:
    name = f"clips/{number:08}.wav"
    seconds = _convert(source / clip.audio, new / name)
    line = {"audio": name, "text": " ".join(clip.text.split()), "seconds": round(seconds, 3)}
    return json.dumps(line, ensure_ascii=False)


def _convert(source: Path, path: Path) -> float:
    """Seconds."""
    with recording(source) as file:
        samples, _ = read(file, SAMPLE_RATE)
    path.write_bytes(encode(to_int16(samples), SAMPLE_RATE, "wav"))
    return len(samples) / SAMPLE_RATE
