"""A file is whole or not there, whatever happens while it is written."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from servers.atomic import create_atomically, unfinished, write_atomically


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.wav"


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_what_was_there_is_replaced_and_nothing_else_is_left(path):
    path.write_bytes(b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path) == ["out.wav"]


def test_a_write_that_breaks_off_leaves_what_was_there(path):
    path.write_bytes(b"old")
    with pytest.raises(TypeError), unfinished(path.parent) as new:
        new.file.writelines([b"half", None])
    assert path.read_bytes() == b"old"
    assert names(path) == ["out.wav"]


def test_nobody_sees_the_file_before_it_is_whole(path):
    with unfinished(path.parent) as new:
        new.file.write(b"half")
        new.file.flush()
        assert not path.exists()
        new.file.write(b" and half")
        new.replace(path.name)
    assert path.read_bytes() == b"half and half"


def test_what_is_given_no_place_is_gone(path):
    with unfinished(path.parent) as new:
        new.file.write(b"new")
    assert names(path) == []


def test_a_link_is_replaced_and_not_followed(path, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    path.symlink_to(elsewhere)
    write_atomically(path, b"new")
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == b"mine"


@pytest.mark.parametrize(("mode", "expected"), [(0o644, 0o644), (None, 0o600)])
def test_permissions_are_those_asked_for_or_the_umasks(path, mode, expected):
    before = os.umask(0o077)
    try:
        write_atomically(path, b"", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == expected


@pytest.mark.parametrize(("sync_folder", "expected"), [(True, ["file", "folder"]), (False, ["file"])])
def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_where_asked(
    path, monkeypatch, sync_folder, expected
):
    synced = []

    def fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        assert path.exists() == is_folder
        synced.append("folder" if is_folder else "file")

    monkeypatch.setattr(os, "fsync", fsync)
    with unfinished(path.parent) as new:
        new.file.write(b"new")
        new.replace(path.name, sync_folder=sync_folder)
    assert synced == expected


def test_a_full_disk_is_an_os_error_that_leaves_nothing(path, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert names(path) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        write_atomically(tmp_path / "none" / "out.wav", b"new")
    assert raised.value.filename == str(tmp_path / "none")


def test_a_folder_that_is_renamed_meanwhile_has_the_file(path, tmp_path):
    path.parent.joinpath("inner").mkdir()
    with unfinished(tmp_path / "inner") as new:
        (tmp_path / "inner").rename(tmp_path / "moved")
        (tmp_path / "inner").symlink_to("/")
        new.file.write(b"new")
        new.replace("a.wav", sync_folder=True)
    assert (tmp_path / "moved" / "a.wav").read_bytes() == b"new"


def test_a_name_as_long_as_a_file_system_allows_can_be_written(tmp_path):
    path = tmp_path / ("ü" * 127)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_of_many_that_create_one_file_at_once_one_succeeds_and_all_find_it_whole(path):
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda i: create_atomically(path, b"%d" % i * 1000), range(8)))
    assert made.count(True) == 1
    assert path.read_bytes() == b"%d" % made.index(True) * 1000
    assert names(path) == ["out.wav"]
