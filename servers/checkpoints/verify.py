"""A checkpoint's manifest: what a pull left in the folder, and what differs from it now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from servers.atomic import write_atomically
from servers.checkpoints.folders import MANIFEST, UNFINISHED

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class StoredFile(BaseModel):
    """What a file must be, byte for byte."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int = Field(ge=0)
    sha256: Sha256

    def is_at(self, path: Path) -> bool:
        """Is this file there, whole and unchanged?"""
        return path.is_file() and path.stat().st_size == self.bytes and sha256(path) == self.sha256


class Hashes(StrEnum):
    """Where the hashes of a manifest come from."""

    CATALOGUE = "catalogue"
    FIRST_PULL = "first pull"
    """The catalogue had none: what the source listed at the first pull is what later ones must bring."""


class Manifest(BaseModel):
    """What a pull left in a folder: from where, which revision of it, and its files by relative path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    revision: str
    hashes: Hashes = Hashes.FIRST_PULL
    files: dict[str, StoredFile]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


def listed(
    folder: Path, names: Iterable[str], source: str, revision: str, hashes: Hashes = Hashes.FIRST_PULL
) -> Manifest:
    """The manifest of those files, as they are now in the folder."""
    files = {
        name: StoredFile(bytes=(folder / name).stat().st_size, sha256=sha256(folder / name))
        for name in sorted(names)
    }
    return Manifest(source=source, revision=revision, hashes=hashes, files=files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=2).encode())


def read_manifest(folder: Path) -> Manifest | None:
    """None where there is none. Raises ValidationError for one that pull did not write."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None


def last_manifest(folder: Path) -> Manifest | None:
    """Of the last pull that ended, also while another has not; None where there is none that can be read."""
    for place in (folder, folder / UNFINISHED):
        with suppress(ValidationError):
            if found := read_manifest(place):
                return found
    return None


def faults(folder: Path, known: Mapping[str, StoredFile] | None = None) -> Iterator[str]:
    """What differs from the manifest: "missing: name", "changed: name", "extra: name"; and where the manifest
    itself is not what is known of the files: "not as in the catalogue: name". Hashes every file.
    """
    try:
        manifest = read_manifest(folder)
    except ValidationError:
        yield f"changed: {MANIFEST}"
        return
    if manifest is None:
        yield f"it has no {MANIFEST}, so nothing says what it should hold"
        return
    for name, file in (known or {}).items():
        if manifest.files.get(name) != file:
            yield f"not as in the catalogue: {name}"
    for name, file in manifest.files.items():
        if not (folder / name).is_file():
            yield f"missing: {name}"
        elif not file.is_at(folder / name):
            yield f"changed: {name}"
    yield from (f"extra: {name}" for name in _names(folder) if name not in manifest.files)


def _names(folder: Path) -> list[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(file) for file in files if file.parts[0] not in (UNFINISHED, MANIFEST))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
