"""Pulling from a source that is a dictionary: what any source can rely on, and whoever calls."""

from __future__ import annotations

import hashlib
import io
import shutil
import threading
import zipfile
from pathlib import Path

import pytest

from servers.checkpoints import pull as module
from servers.checkpoints.folders import MANIFEST, UNFINISHED, State, state
from servers.checkpoints.pull import pull
from servers.checkpoints.sources import Listing, RemoteFile
from servers.checkpoints.verify import faults, read_manifest
from servers.errors import PullFailed, SourceUnreachable, StorageFailed

FILES = {"config.json": b"{}", "codec/weights.bin": bytes(5000)}


class Shelf:
    """A source; `sends` is what arrives in place of a file, an error where it is one, and `sent` what did."""

    def __init__(self, files: dict[str, bytes], unpack_to: str | None = None) -> None:
        self.files, self.unpack_to = files, unpack_to
        self.sends: dict[str, bytes | Exception] = {}
        self.sent: list[str] = []

    def listing(self) -> Listing:
        files = tuple(
            RemoteFile(name, None if self.unpack_to else len(content), hashlib.sha256(content).hexdigest())
            for name, content in self.files.items()
        )
        return Listing("shelf:3", "r1", files, self.unpack_to)

    def fetch(self, file: RemoteFile, revision: str, folder: Path) -> None:
        assert revision == "r1"
        content = self.sends.get(file.name, self.files[file.name])
        if isinstance(content, Exception):
            raise content
        self.sent.append(file.name)
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.name).write_bytes(content)


@pytest.fixture
def shelf():
    return Shelf(FILES)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "voice"


def zipped(**contents: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"in/{name}", content)
    return packed.getvalue()


def test_the_files_are_there_with_a_manifest_and_nothing_else(shelf, folder):
    manifest = pull(shelf, folder)
    assert (manifest.source, manifest.revision, manifest.bytes) == ("shelf:3", "r1", 5002)
    assert read_manifest(folder) == manifest
    assert list(faults(folder)) == []
    assert sorted(path.name for path in folder.iterdir()) == ["codec", "config.json", MANIFEST]


def test_files_that_are_there_and_right_are_not_fetched_again(shelf, folder):
    pull(shelf, folder)
    (folder / "config.json").write_bytes(b"[]")
    shelf.sent.clear()
    pull(shelf, folder)
    assert shelf.sent == ["config.json"]


def test_a_pull_that_fails_leaves_an_incomplete_checkpoint_that_the_next_one_completes(shelf, folder):
    shelf.sends["codec/weights.bin"] = SourceUnreachable("nobody answers")
    with pytest.raises(SourceUnreachable):
        pull(shelf, folder)
    assert state(folder) is State.INCOMPLETE
    shelf.sends.clear()
    pull(shelf, folder)
    assert shelf.sent == ["config.json", "codec/weights.bin"]
    assert state(folder) is State.PRESENT


def test_a_source_that_cannot_list_leaves_a_checkpoint_as_it_is(shelf, folder, monkeypatch):
    def listing():
        raise SourceUnreachable("nobody answers")

    pull(shelf, folder)
    monkeypatch.setattr(shelf, "listing", listing)
    with pytest.raises(SourceUnreachable):
        pull(shelf, folder)
    assert state(folder) is State.PRESENT


def test_of_a_file_whose_hash_differs_nothing_is_kept(shelf, folder):
    shelf.sends["config.json"] = b"[]"
    with pytest.raises(PullFailed, match=r"config\.json arrived otherwise .* SHA-256 differs \(shelf:3\)"):
        pull(shelf, folder)
    assert not (folder / "config.json").exists()


def test_a_file_outside_of_the_folder_is_refused_before_it_is_fetched(folder):
    evil = Shelf({"../evil": b"x"})
    with pytest.raises(PullFailed, match="outside of its folder"):
        pull(evil, folder)
    assert evil.sent == []


def test_too_little_space_is_an_error_before_anything_is_fetched(shelf, folder, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5001))
    with pytest.raises(StorageFailed, match=r"0\.0 MB are free"):
        pull(shelf, folder)
    assert state(folder) is State.MISSING
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5002))
    pull(shelf, folder)


def test_what_is_there_already_needs_no_space(shelf, folder, monkeypatch):
    pull(shelf, folder)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    pull(shelf, folder)


def test_progress_is_told_at_first_and_at_the_end(shelf, folder, monkeypatch):
    monkeypatch.setattr(module, "REPORT_S", 60)
    told = []
    pull(shelf, folder, lambda listing, count: told.append((listing.bytes, count)))
    assert told == [(5002, 0), (5002, 5002)]


def test_progress_is_told_while_a_file_comes(folder, monkeypatch):
    """The source waits until somebody was told of the half that is there."""
    monkeypatch.setattr(module, "REPORT_S", 0.001)
    half_was_told = threading.Event()

    class Slow(Shelf):
        def fetch(self, file, revision, folder):
            (folder / UNFINISHED / "part").write_bytes(bytes(2500))
            assert half_was_told.wait(30)
            (folder / UNFINISHED / "part").unlink()
            super().fetch(file, revision, folder)

    def progress(_, count):
        if count == 2500:
            half_was_told.set()

    pull(Slow({"weights.bin": bytes(5000)}), folder, progress)


def test_archives_are_unpacked_and_their_files_are_what_is_listed(folder):
    archives = Shelf({"a.zip": zipped(x="1"), "b.zip": zipped(y="22")}, unpack_to="data")
    manifest = pull(archives, folder)
    assert set(manifest.files) == {"data/in/x", "data/in/y"}
    assert list(faults(folder)) == []


def test_an_archive_that_did_not_arrive_leaves_a_checkpoint_as_it_is(folder):
    archives = Shelf({"a.zip": zipped(x="1")}, unpack_to=".")
    pull(archives, folder)
    archives.files["a.zip"] = zipped(x="2")
    archives.sends["a.zip"] = PullFailed("the download broke off")
    with pytest.raises(PullFailed):
        pull(archives, folder)
    assert state(folder) is State.PRESENT
    assert list(faults(folder)) == []


def test_an_archive_that_is_there_already_is_not_fetched_again(folder):
    archives = Shelf({"a.zip": zipped(x="1")}, unpack_to=".")
    (folder / UNFINISHED).mkdir(parents=True)
    (folder / UNFINISHED / "a.zip").write_bytes(archives.files["a.zip"])
    pull(archives, folder)
    assert archives.sent == []
