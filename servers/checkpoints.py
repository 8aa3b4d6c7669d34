"""Checkpoints: the weights of models, each in a folder of its own, by default in `models_dir`.

`skylark models pull` puts them there, and a manifest of their files with them when all are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from servers.errors import ModelLoadFailed
from servers.settings import settings

MANIFEST = "skylark-manifest.json"
UNFINISHED = ".cache"
"""The folder, inside the checkpoint's, in which a pull keeps what it has of a file."""


class State(StrEnum):
    MISSING = "missing"
    INCOMPLETE = "incomplete"
    """A pull began and did not end."""
    PRESENT = "present"
    UNLISTED = "present, no manifest"
    """Put there by other means than a pull: nothing says what it should hold."""


class File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a pull left in a folder: from where, which revision of it, and its files by relative path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    revision: str
    files: dict[str, File]


def folder_of(checkpoint: str | Path) -> Path:
    """Where a checkpoint is, or would be: `checkpoint` is a folder in `models_dir`, or an absolute path."""
    return settings().models_dir / Path(checkpoint).expanduser()


def locate(checkpoint: str | Path) -> Path:
    """The checkpoint's folder, for a backend to load. Its files are not looked at.

    Raises ModelLoadFailed, which says what to run, where there is none, or a pull of it has not ended.
    """
    folder = folder_of(checkpoint)
    match state(folder):
        case State.MISSING:
            raise ModelLoadFailed(f"no checkpoint at {folder}: {mend(checkpoint)}", param="checkpoint")
        case State.INCOMPLETE:
            raise ModelLoadFailed(
                f"the checkpoint at {folder} is incomplete: {mend(checkpoint)}", param="checkpoint"
            )
    return folder


def mend(checkpoint: str | Path) -> str:
    """What to do about a checkpoint that is missing or broken, for the end of an error's message."""
    if Path(checkpoint).expanduser().is_absolute():
        return "put a whole one there, or name another folder in models.yaml"
    return f"run `skylark models pull {checkpoint}`"


def state(folder: Path) -> State:
    if (folder / MANIFEST).is_file():
        return State.PRESENT
    if (folder / UNFINISHED).is_dir():
        return State.INCOMPLETE
    return State.UNLISTED if folder.is_dir() and any(folder.iterdir()) else State.MISSING


def size(folder: Path) -> int:
    """The bytes of all files in it, also while a pull moves them about."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # it was moved since it was listed, and counts next time
    return total


def faults(folder: Path) -> Iterator[str]:
    """What differs from the manifest: "missing: name", "changed: name", "extra: name". Hashes every file."""
    try:
        manifest = read_manifest(folder)
    except ValidationError:
        yield f"changed: {MANIFEST}"
        return
    if manifest is None:
        yield f"it has no {MANIFEST}, so nothing says what it should hold"
        return
    for name, file in manifest.files.items():
        if not (folder / name).is_file():
            yield f"missing: {name}"
        elif (folder / name).stat().st_size != file.bytes or sha256(folder / name) != file.sha256:
            yield f"changed: {name}"
    yield from (f"extra: {name}" for name in _names(folder) if name not in manifest.files)


def read_manifest(folder: Path) -> Manifest | None:
    """None where there is none. Raises ValidationError for one that pull did not write."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None


def listed(folder: Path, names: Iterable[str], source: str, revision: str) -> Manifest:
    """The manifest of those files, as they are now in the folder."""
    files = {
        name: File(bytes=(folder / name).stat().st_size, sha256=sha256(folder / name))
        for name in sorted(names)
    }
    return Manifest(source=source, revision=revision, files=files)


def begin(folder: Path) -> None:
    """From here on the folder is incomplete, until it has a manifest again."""
    (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(file) for file in files if file.parts[0] not in (UNFINISHED, MANIFEST))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
