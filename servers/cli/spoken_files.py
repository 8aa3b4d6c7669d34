"""manifest.json: which paragraph was spoken how, into which file, so that a run goes on where one stopped."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from servers.atomic import write_atomically
from servers.cli.failures import ConfigError

NAME = "manifest.json"


class SpeechOptions(BaseModel):
    """How a text was asked to be spoken; None is the server's default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    voice: str | None = None
    language: str | None = None
    instruct: str | None = None
    model: str | None = None
    format: str = "wav"


class Entry(BaseModel):
    """One paragraph's finished audio."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    file: str
    text_sha256: str
    options: SpeechOptions = Field(alias="manner")  # as it is called in the files of version 1
    duration_s: float
    audio_sha256: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int = 1
    paragraphs: list[Entry] = []


class SpokenFiles:
    """The entries of one folder. Only files that are whole count: their content is compared."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError if the folder has a manifest that cannot be read."""
        self.folder = folder
        self._entries = {entry.file: entry for entry in _read(folder / NAME).paragraphs}

    def settle(self, wanted: Mapping[str, str], options: SpeechOptions) -> set[str]:
        """The files of `wanted`, {file: text}, that hold their text already, spoken with those options.

        A paragraph that others were put in front of has another number now: its audio is copied there.
        """
        spoken = {
            (entry.text_sha256, entry.options): entry
            for entry in self._entries.values()
            if self._whole(entry)
        }
        found = {file: spoken.get((_digest(text.encode()), options)) for file, text in wanted.items()}
        at_hand = {file: entry for file, entry in found.items() if entry}
        self._move({file: entry for file, entry in at_hand.items() if not self._is_at(file, entry)})
        return set(at_hand)

    def _is_at(self, file: str, entry: Entry) -> bool:
        there = self._entries.get(file)
        return there is not None and there.audio_sha256 == entry.audio_sha256 and self._whole(there)

    def _move(self, moves: Mapping[str, Entry]) -> None:
        """First copies, then renames: one file's new place may be another's old one."""
        for file, entry in moves.items():
            shutil.copyfile(self.folder / entry.file, self.folder / f".{file}.moved")
        for file, entry in moves.items():
            (self.folder / f".{file}.moved").replace(self.folder / file)
            self._entries[file] = entry.model_copy(update={"file": file})
        if moves:
            self.save()

    def record(self, file: str, text: str, options: SpeechOptions, audio: bytes, duration_s: float) -> None:
        """Writes the audio and remembers it; `save` makes that last."""
        write_atomically(self.folder / file, audio)
        self._entries[file] = Entry(
            file=file,
            text_sha256=_digest(text.encode()),
            options=options,
            duration_s=duration_s,
            audio_sha256=_digest(audio),
        )

    def duration_s(self, file: str) -> float:
        return self._entries[file].duration_s

    def others(self, files: set[str]) -> list[str]:
        """Files of an earlier, longer text, which are not among `files`."""
        return sorted(name for name in self._entries if name not in files and (self.folder / name).exists())

    def save(self) -> None:
        entries = sorted(self._entries.values(), key=lambda entry: entry.file)
        content = _File(paragraphs=entries).model_dump_json(indent=2, by_alias=True)
        write_atomically(self.folder / NAME, content.encode())

    def _whole(self, entry: Entry) -> bool:
        path = self.folder / entry.file
        return path.is_file() and _digest(path.read_bytes()) == entry.audio_sha256


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _read(path: Path) -> _File:
    try:
        return _File.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _File()
    except (ValidationError, UnicodeDecodeError):
        raise ConfigError(f"{path} is not a manifest of `skylark say`: choose another folder") from None
