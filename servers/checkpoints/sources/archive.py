"""An archive at a URL, with its hash: resumed where a pull stopped."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from servers.checkpoints.sources import Listing, RemoteFile
from servers.checkpoints.sources.transfer import append, from_http


class Archive:
    """A zip file that is unpacked into `unpack_to`; how long it is, is not known beforehand."""

    def __init__(self, url: str, sha256: str, unpack_to: str) -> None:
        self._url, self._sha256, self._unpack_to = url, sha256, unpack_to

    def listing(self) -> Listing:
        name = PurePosixPath(urlsplit(self._url).path).name or "archive"
        return Listing(self._url, self._sha256, (RemoteFile(name, None, self._sha256),), self._unpack_to)

    def fetch(self, file: RemoteFile, revision: str, folder: Path) -> None:  # noqa: ARG002 - there is one
        append(from_http, self._url, folder / file.name)
