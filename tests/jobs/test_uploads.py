from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from servers.errors import StorageFailed
from servers.jobs.uploads import Uploads


def test_bytes_and_what_is_left_of_a_stream_are_kept(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    stream = io.BytesIO(b"0123")
    stream.seek(2)
    first, second = uploads.save(b"abc", ".wav"), uploads.save(stream)
    assert (first.read_bytes(), second.read_bytes()) == (b"abc", b"23")
    assert first.parent == tmp_path / "uploads"
    assert first.suffix == ".wav"


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageFailed, match="make room"):
        Uploads(tmp_path).save(Broken())
    assert list((tmp_path / "uploads").iterdir()) == []


def test_with_an_identity_the_same_bytes_are_the_same_file(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    first = uploads.save(b"abc", ".wav", identity=("alice", "key/0"))
    os.utime(first, (0, 0))
    assert uploads.save(io.BytesIO(b"abc"), ".wav", identity=("alice", "key/0")) == first
    assert first.read_bytes() == b"abc"
    assert first.stat().st_mtime > 0, "the sweep would take it under the jobs of the second request"
    others = [
        uploads.save(b"abd", identity=("alice", "key/0")),
        uploads.save(b"abc", identity=("alice", "key/1")),
        uploads.save(b"abc", identity=("bob", "key/0")),
        uploads.save(b"abc", identity=("bobk", "ey/0")),
        uploads.save(b"abc"),
        uploads.save(b"abc"),
    ]
    assert len({first.stem, *(path.stem for path in others)}) == 7


@pytest.mark.parametrize("suffix", ["wav", "/../x", "./x", ".W", "."])
def test_a_suffix_cannot_name_a_path(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match="suffix"):
        Uploads(tmp_path).save(b"", suffix)


def test_discarding_twice_is_fine_and_anything_else_is_refused(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    path = uploads.save(b"abc")
    uploads.discard(path)
    uploads.discard(path)
    other = tmp_path / "jobs.sqlite3"
    other.touch()
    for outside in (other, tmp_path / "uploads" / ".." / "jobs.sqlite3"):
        with pytest.raises(ValueError, match="no upload"):
            uploads.discard(outside)
    assert other.exists()


def test_the_sweep_takes_only_what_is_old(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    path = uploads.save(b"abc")
    saved_at = path.stat().st_mtime
    assert uploads.sweep(older_than_s=60, now=saved_at + 59) == 0
    assert uploads.sweep(older_than_s=60, now=saved_at + 61) == 1
    assert not path.exists()
