"""A mirror: a folder of checkpoints by their names, as models_dir is, at a file:, s3: or http(s) address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from servers.checkpoints.folders import MANIFEST
from servers.checkpoints.sources import Listing, RemoteFile
from servers.checkpoints.sources.transfer import append, reader
from servers.checkpoints.verify import Manifest, StoredFile
from servers.errors import PullFailed

MANIFEST_LIMIT = 1 << 24
"""Bytes; it is read into memory."""


class Mirrored:
    """One checkpoint there. What is not known of its files, the manifest there says."""

    def __init__(self, mirror: str, name: str, known: Mapping[str, StoredFile]) -> None:
        self._address = f"{mirror.rstrip('/')}/{quote(name)}"
        self._known = known
        self._read = reader(mirror)

    def listing(self) -> Listing:
        manifest = self._manifest() if not self._known else None
        known, revision = (manifest.files, manifest.revision) if manifest else (self._known, "by hash")
        files = (RemoteFile(name, file.bytes, file.sha256) for name, file in known.items())
        return Listing(self._address, revision, tuple(files))

    def fetch(self, file: RemoteFile, revision: str, folder: Path) -> None:  # noqa: ARG002 - there is one
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        append(self._read, f"{self._address}/{quote(file.name)}", folder / file.name)

    def _manifest(self) -> Manifest:
        content = b""
        with self._read(f"{self._address}/{MANIFEST}", 0) as reply:
            for block in reply.blocks:
                content += block
                if len(content) > MANIFEST_LIMIT:
                    raise PullFailed(f"{self._address}/{MANIFEST} has more than {MANIFEST_LIMIT} bytes")
        try:
            return Manifest.model_validate_json(content)
        except ValidationError:
            raise PullFailed(f"{self._address}/{MANIFEST} is none that a pull has left") from None
