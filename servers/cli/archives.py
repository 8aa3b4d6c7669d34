"""A checkpoint that is an archive at a URL: resumed where a pull stopped, held against its hash, unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

import requests

from servers.checkpoints import UNFINISHED, Manifest, begin, listed, sha256
from servers.cli.client import Unreachable
from servers.cli.output import CommandFailed
from servers.cli.sources import Source

TIMEOUT_S = 30.0
BLOCK = 1 << 16
"""Bytes; of one that breaks off nothing is kept."""


def pull(source: Source, folder: Path) -> Manifest:
    """Raises CommandFailed or Unreachable; what has come by then stays, and the next pull goes on from it."""
    assert source.url is not None
    assert source.sha256 is not None
    archive = folder / UNFINISHED / "archive.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    try:
        _download(source.url, archive)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Unreachable(f"{source.url} cannot be reached ({type(error).__name__})") from None
    except requests.RequestException as error:
        raise CommandFailed(f"{source.url}: {error}: pull again, and it goes on") from None
    if sha256(archive) != source.sha256:
        archive.unlink()
        raise CommandFailed(f"{source.url} is not the file that checkpoints.yaml names: its SHA-256 differs")
    begin(folder)
    names = _unpack(archive, folder / source.unpack_to)
    archive.unlink()
    return listed(folder, (str(name.relative_to(folder)) for name in names), source.url, source.sha256)


def _unpack(archive: Path, to: Path) -> list[Path]:
    """The files that were in it; zipfile keeps every member inside `to`."""
    with zipfile.ZipFile(archive) as zipped:
        return [Path(zipped.extract(member, to)) for member in zipped.infolist() if not member.is_dir()]


def _download(url: str, archive: Path) -> None:
    """Appends to what is there; a server that knows nothing of ranges sends all of it anew."""
    have = archive.stat().st_size if archive.exists() else 0
    asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=asked, stream=True, timeout=TIMEOUT_S) as reply:
        if reply.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all of it is there already
        reply.raise_for_status()
        resumes = reply.status_code == requests.codes.partial_content
        with archive.open("ab" if resumes else "wb") as file:
            for block in reply.iter_content(BLOCK):
                file.write(block)
