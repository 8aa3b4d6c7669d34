"""Sources: the places that checkpoints are pulled from. A new one is a file here, a case of `source_of`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servers.checkpoints.catalogue import CheckpointSpec
from servers.checkpoints.verify import sha256


@dataclass(frozen=True)
class RemoteFile:
    """A file as its source lists it: its path relative to the folder that it goes to, and what it must be.

    `bytes` is None where that is not known beforehand. It has the one hash or the other; git's is that of
    the small files of a repository.
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


@dataclass(frozen=True)
class Listing:
    """What there is to pull: from which address, which revision of it, and the files.

    With `unpack_to` the files are archives, which are unpacked into that folder of the checkpoint's.
    """

    address: str
    revision: str
    files: tuple[RemoteFile, ...]
    unpack_to: str | None = None

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


def source_of(spec: CheckpointSpec, hub_url: str | None) -> Source:
    """Where that checkpoint is pulled from. Raises MissingExtra where a library is not installed."""
    if spec.url is not None:
        from servers.checkpoints.sources.archive import Archive

        assert spec.sha256 is not None
        return Archive(spec.url, spec.sha256, spec.unpack_to)
    from servers.checkpoints.sources.hub import Hub

    return Hub(spec, hub_url)


def _git_hash(path: Path) -> str:
    """SHA-1 of a blob, as git makes it: over "blob", its length, NUL and its content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
