"""The zip that a data set comes in, unpacked: into its folder and nowhere else, and no more than may be."""

from __future__ import annotations

import lzma
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NoReturn

from servers.errors import InvalidDataset
from servers.storage import storing

FIELD = "dataset"
MANIFEST = "train.jsonl"
MOST_BYTES = 20_000_000_000
MOST_FILES = 200_000
MOST_RATIO = 200
"""Of a file's size over what it has in the zip, from BOMB_BYTES on: even a recording of silence has less."""
BOMB_BYTES = 50_000_000
LONGEST_NAME = 255
"""Of a file or a folder, in bytes: what the file systems take."""
PIECE_BYTES = 1 << 20
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError,
)  # fmt: skip
IGNORED = "__MACOSX"
"""What macOS puts beside the files of a zip; hidden files are as little of the data set."""


def unpack(source: Path | BinaryIO, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
    """Puts the files of a data set into `folder`, which exists and is empty, with MANIFEST at its top; in the
    zip all of them may be in one folder.

    Raises InvalidDataset for what is no such zip, and StorageFailed where the disk is full; what was unpacked
    until then is left to the caller.
    """
    with _readable(), zipfile.ZipFile(source) as archive:
        entries = _checked(archive)
        top = _top(entries)
        left = most_bytes
        for path, entry in entries.items():
            if path.is_relative_to(top):
                left -= _write(archive, entry, folder / path.relative_to(top), left)


def look_through(source: Path | BinaryIO) -> None:
    """Reads what is in the zip and unpacks nothing. Raises InvalidDataset as `unpack` does for what shows."""
    with _readable(), zipfile.ZipFile(source) as archive:
        _top(_checked(archive))


def _checked(archive: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        _refuse(f"it has {len(infos):,} files, and {MOST_FILES:,} are possible")
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    names: set[str] = set()
    for info in infos:
        path = _path(info)
        if info.is_dir() or not path.parts or IGNORED in path.parts or path.name.startswith("."):
            continue
        name = unicodedata.normalize("NFC", str(path)).casefold()
        if name in names:
            _refuse(f"{_shown(info)} is in it twice")
        names.add(name)
        found[path] = info
    return found


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(info.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in "".join(path.parts[:1]):
        _refuse(f"{_shown(info)} is not a name within it")
    if max(map(_name_bytes, path.parts), default=0) > LONGEST_NAME:
        _refuse(f"{_shown(info)}… is a name of more than {LONGEST_NAME} bytes")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        _refuse(f"{_shown(info)} is a link or a device; only files are possible")
    if info.flag_bits & 0x1:
        _refuse(f"{_shown(info)} has a password")
    if info.file_size > BOMB_BYTES and info.file_size > MOST_RATIO * info.compress_size:
        _refuse(f"{_shown(info)} is {info.file_size:,} bytes of next to nothing")
    return path


def _name_bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def _top(entries: dict[PurePosixPath, zipfile.ZipInfo]) -> PurePosixPath:
    tops = [path.parent for path in entries if path.name == MANIFEST and len(path.parts) <= 2]
    if PurePosixPath() in tops:
        return PurePosixPath()
    if len(tops) != 1:
        _refuse(f"it has no {MANIFEST}: one is needed, at its top, with a line for each recording")
    return tops[0]


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, most: int) -> int:
    """How many bytes it has; what the zip says of that is not believed."""
    written = 0
    with storing("the data set"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        except (FileExistsError, NotADirectoryError):
            _refuse(f"{_shown(entry)} is a file and a folder in it")
        with file:
            for piece in _pieces(archive, entry):
                written += len(piece)
                if written > most:
                    _refuse(f"more than {MOST_BYTES / 1e9:g} GB are in it")
                file.write(piece)
    return written


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Of what it unpacks to. bzip2's decoder tells damage as an OSError without a number."""
    try:
        with archive.open(entry) as packed:
            while piece := packed.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        if error.errno is not None:
            raise
        raise zipfile.BadZipFile(f"{_shown(entry)} is damaged: {error}") from None


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise InvalidDataset(f"it is no zip that can be read: {error}", param=FIELD) from None


def _refuse(why: str) -> NoReturn:
    raise InvalidDataset(f"the zip cannot be used: {why}", param=FIELD)


def _shown(info: zipfile.ZipInfo) -> str:
    return repr(info.filename[:100])
