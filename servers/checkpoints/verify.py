"""A checkpoint's manifest: what a pull left in the folder, and what differs from it now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from servers.atomic import write_atomically
from servers.checkpoints.folders import MANIFEST, UNFINISHED


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

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


def listed(folder: Path, names: Iterable[str], source: str, revision: str) -> Manifest:
    """The manifest of those files, as they are now in the folder."""
    files = {
        name: File(bytes=(folder / name).stat().st_size, sha256=sha256(folder / name))
        for name in sorted(names)
    }
    return Manifest(source=source, revision=revision, files=files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    write_atomically(folder / MANIFEST, manifest.model_dump_json(indent=2).encode())


def read_manifest(folder: Path) -> Manifest | None:
    """None where there is none. Raises ValidationError for one that pull did not write."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None


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


def _names(folder: Path) -> list[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(file) for file in files if file.parts[0] not in (UNFINISHED, MANIFEST))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
