"""An archive at a URL, with its hash: resumed where a pull stopped."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests

from servers.checkpoints.sources import Listing, RemoteFile
from servers.errors import PullFailed, SourceUnreachable

TIMEOUT_S = 30.0
BLOCK = 1 << 16
"""Bytes; of one that breaks off nothing is kept."""


class Archive:
    """A zip file that is unpacked into `unpack_to`; how long it is, is not known beforehand."""

    def __init__(self, url: str, sha256: str, unpack_to: str) -> None:
        self._url, self._sha256, self._unpack_to = url, sha256, unpack_to

    def listing(self) -> Listing:
        name = PurePosixPath(urlsplit(self._url).path).name or "archive"
        return Listing(self._url, self._sha256, (RemoteFile(name, None, self._sha256),), self._unpack_to)

    def fetch(self, file: RemoteFile, revision: str, folder: Path) -> None:  # noqa: ARG002 - there is one
        try:
            self._download(folder / file.name)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise SourceUnreachable(f"{self._url} cannot be reached ({type(error).__name__})") from None
        except requests.RequestException as error:
            raise PullFailed(f"{self._url}: {error}: pull again, and it goes on") from None

    def _download(self, path: Path) -> None:
        """Appends to what is there; a server that knows nothing of ranges sends all of it anew."""
        have = path.stat().st_size if path.exists() else 0
        asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(self._url, headers=asked, stream=True, timeout=TIMEOUT_S) as reply:
            if reply.status_code == requests.codes.requested_range_not_satisfiable:
                return  # all of it is there already
            reply.raise_for_status()
            resumes = reply.status_code == requests.codes.partial_content
            with path.open("ab" if resumes else "wb") as file:
                for block in reply.iter_content(BLOCK):
                    file.write(block)
