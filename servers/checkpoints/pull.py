"""Pulling a checkpoint: each file held against its hash, and a manifest in the folder when all are there."""

from __future__ import annotations

import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from servers.checkpoints.folders import UNFINISHED, begin, discard_unfinished, size
from servers.checkpoints.sources import Listing, RemoteFile, Source
from servers.checkpoints.verify import Hashes, Manifest, StoredFile, listed, write_manifest
from servers.errors import PullFailed, StorageFailed
from servers.storage import storing

REPORT_S = 0.25
Progress = Callable[[Listing, int], None]
"""Told what is pulled, and how many bytes of it are there: at first, every REPORT_S, and at the end. In
between it is called from a thread of its own."""


def pull(
    source: Source,
    folder: Path,
    progress: Progress | None = None,
    known: Mapping[str, StoredFile] | None = None,
    hashes: Hashes = Hashes.FIRST_PULL,
) -> Manifest:
    """What the source lists, into the folder; files that are there and right stay as they are.

    Of `known` files only these, and only with these hashes. Raises StorageFailed before anything is fetched,
    or where the disk fills; SourceUnreachable or PullFailed; what has come by then stays, and the next pull
    goes on from it.
    """
    listing = source.listing().held_to(known or {})
    with storing(f"the checkpoint {folder.name}"):
        _check_space(folder, listing)
        with _reported(progress or (lambda *_: None), listing, folder):
            names = (
                _files(source, listing, folder)
                if listing.unpack_to is None
                else _unpacked(source, listing, folder)
            )
        manifest = listed(folder, names, listing.address, listing.revision, hashes)
        shutil.rmtree(folder / UNFINISHED)
        write_manifest(folder, manifest)
    return manifest


def _check_space(folder: Path, listing: Listing) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if listing.bytes is None:
        return
    needed = listing.bytes * (2 if listing.doubled else 1) - size(folder)
    free = shutil.disk_usage(folder.parent).free
    if needed > free:
        raise StorageFailed(
            f"{folder.parent}: {needed / 1e6:,.1f} MB are to come, and {free / 1e6:,.1f} MB are free"
        )


def _files(source: Source, listing: Listing, folder: Path) -> list[str]:
    """The checkpoint's own files, fetched to where they belong; their names."""
    begin(folder)
    for file in listing.files:
        _fetch(source, file, listing, folder)
    return [file.name for file in listing.files]


def _unpacked(source: Source, listing: Listing, folder: Path) -> list[str]:
    """The names of what was in the archives. Until these are there and right, nothing is replaced."""
    unfinished = folder / UNFINISHED
    unfinished.mkdir(parents=True, exist_ok=True)
    for archive in listing.files:
        _fetch(source, archive, listing, unfinished)
    begin(folder)
    to = folder / (listing.unpack_to or ".")
    paths = [path for archive in listing.files for path in _unpack(unfinished / archive.name, to)]
    return [str(path.relative_to(folder)) for path in paths]


def _unpack(archive: Path, to: Path) -> list[Path]:
    """The files that were in it; zipfile keeps every member inside `to`."""
    with zipfile.ZipFile(archive) as zipped:
        return [Path(zipped.extract(member, to)) for member in zipped.infolist() if not member.is_dir()]


def _fetch(source: Source, file: RemoteFile, listing: Listing, folder: Path) -> None:
    """Unless it is there. Of one whose hash differs nothing is kept."""
    path = folder / file.name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise PullFailed(f"{listing.address} lists a file outside of its folder: {file.name!r}")
    if file.is_at(path):
        return
    if file.bytes is not None and path.is_file() and path.stat().st_size >= file.bytes:
        path.unlink()  # it is no part of the file
    source.fetch(file, listing.revision, folder)
    if not file.is_at(path):
        path.unlink(missing_ok=True)
        discard_unfinished(folder)
        kind = "SHA-256" if file.sha256 else "git hash"
        raise PullFailed(
            f"{file.name} arrived otherwise than it is listed: its {kind} differs "
            f"({listing.address}): pull it again"
        )


@contextmanager
def _reported(progress: Progress, listing: Listing, folder: Path) -> Iterator[None]:
    ended = threading.Event()

    def tell() -> None:
        there = size(folder)  # of a package, for a while, as it came and as it is to be
        progress(listing, there if listing.bytes is None else min(there, listing.bytes))

    def report() -> None:
        while not ended.wait(REPORT_S):
            tell()

    tell()
    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        ended.set()
        reporter.join()
    tell()
