"""Sources: the places that checkpoints are pulled from. A new one is a file here, a case of `source_of`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from servers.checkpoints.entries import Archived, Mirror, Packages, Place, Repository
from servers.checkpoints.verify import StoredFile, sha256
from servers.errors import PullFailed


@dataclass(frozen=True)
class RemoteFile:
    """A file as its source lists it: its path relative to the folder that it goes to, and what it must be.

    `bytes` is None where that is not known beforehand. It has one hash or the other, and git's is that of the
    small files of a repository; a file of a package has none that the registry tells.
    """

    name: str
    bytes: int | None
    sha256: str | None = None
    git_hash: str | None = None

    def is_at(self, path: Path) -> bool:
        """Is this file there, whole and unchanged?"""
        if not path.is_file() or self.bytes not in (None, path.stat().st_size):
            return False
        return sha256(path) == self.sha256 if self.sha256 else _git_hash(path) == self.git_hash

    def held_to(self, known: StoredFile) -> RemoteFile:
        """This file with a hash that is known. Raises PullFailed where the source lists other bytes."""
        if self.sha256 not in (None, known.sha256) or self.bytes not in (None, known.bytes):
            raise PullFailed(f"lists other bytes for {self.name} than are known")
        return RemoteFile(self.name, known.bytes, known.sha256)


@dataclass(frozen=True)
class Listing:
    """What there is to pull: from which address, which revision of it, and the files.

    With `unpack_to` the files are archives, which are unpacked into that folder of the checkpoint's.
    `doubled` says that fetching takes the room of the files twice, until all are there.
    """

    address: str
    revision: str
    files: tuple[RemoteFile, ...]
    unpack_to: str | None = None
    doubled: bool = False

    def held_to(self, known: Mapping[str, StoredFile]) -> Listing:
        """The same with the known files alone, and their hashes; archives are held to their own.

        Raises PullFailed where it lacks one, or lists other bytes: nothing needs to be fetched to tell.
        """
        if self.unpack_to is not None or not known:
            return self
        by_name = {file.name: file for file in self.files}
        if missing := [name for name in known if name not in by_name]:
            raise PullFailed(f"{self.address} has no {', '.join(missing)}")
        try:
            files = tuple(by_name[name].held_to(file) for name, file in known.items())
        except PullFailed as error:
            raise PullFailed(f"{self.address} {error}") from None
        return replace(self, files=files)

    @property
    def bytes(self) -> int | None:
        """Of all files; None where that is not known beforehand."""
        known = [file.bytes for file in self.files if file.bytes is not None]
        return sum(known) if len(known) == len(self.files) else None


class Source(Protocol):
    """One checkpoint at the place that it is pulled from; pull.py alone calls it.

    Both methods raise SourceUnreachable where nobody answers, and else PullFailed.
    """

    def listing(self) -> Listing:
        """What is there now. Nothing of the checkpoint's folder is touched yet."""

    def fetch(self, file: RemoteFile, revision: str, folder: Path) -> None:
        """Puts a file of the listing with that revision at its name in the folder, where a wrong one, or a
        part of it, may be.

        When it fails, what has come stays there or in the folder's UNFINISHED, and the next call goes on from
        it. The caller compares hashes.
        """


def source_of(place: Place, hub_url: str | None, name: str, known: Mapping[str, StoredFile]) -> Source:
    """Whoever fetches the checkpoint of that name from there; `known` is what is known of its files.

    Raises MissingExtra where a library is not installed.
    """
    match place:
        case Mirror():
            from servers.checkpoints.sources.mirrored import Mirrored

            return Mirrored(place.mirror, name, known)
        case Repository():
            from servers.checkpoints.sources.hub import Hub

            return Hub(place, hub_url)
        case Packages():
            from servers.checkpoints.sources.packages import Registry

            return Registry(place)
        case Archived():
            from servers.checkpoints.sources.archive import Archive

            return Archive(place.url, place.sha256, place.unpack_to)


def _git_hash(path: Path) -> str:
    """SHA-1 of a blob, as git makes it: over "blob", its length, NUL and its content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
