"""Files by paths that others chose: only regular ones, and no way round over a link."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from servers.nofollow import LinkInPath, NotRegular, folder_of, kind_of, open_regular


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "inner" / "a.wav"
    path.parent.mkdir()
    path.write_bytes(b"words")
    return path


def test_a_regular_file_is_open_for_reading_and_waits_for_its_bytes(file):
    with open_regular(file) as opened:
        assert os.get_blocking(opened.fileno())
        assert opened.read() == b"words"


def test_a_path_may_start_where_the_process_is(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    with open_regular(Path("../inner/a.wav")) as opened:
        assert opened.read() == b"words"


def test_a_link_is_not_followed_at_the_end_of_a_path_nor_on_the_way(file, tmp_path):
    (tmp_path / "link.wav").symlink_to(file)
    (tmp_path / "link").symlink_to(file.parent)
    for path, name in ((tmp_path / "link.wav", "link.wav"), (tmp_path / "link" / "a.wav", "link")):
        for look in (open_regular, kind_of):
            with pytest.raises(LinkInPath, match=f"links are not followed, and '{name}' is one"):
                look(path)


def test_a_fifo_is_refused_at_once_and_whoever_waits_to_write_to_it_waits_on(tmp_path):
    os.mkfifo(tmp_path / "fifo.wav")
    with pytest.raises(NotRegular, match="it is a FIFO"):
        open_regular(tmp_path / "fifo.wav")


def test_folders_sockets_and_devices_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.wav")
        for path, says in (
            (tmp_path, "a folder"),
            (Path("socket.wav"), "a socket"),
            (Path("/dev/null"), "a dev"),
        ):
            with pytest.raises(NotRegular, match=says):
                open_regular(path)


def test_what_takes_a_files_place_after_it_was_looked_at_is_refused_too(file, monkeypatch):
    """The descriptor itself is asked, not the path."""
    looked_at, seen = os.stat, []

    def swap(name, **options):
        found = looked_at(name, **options)
        if not seen:
            seen.append(name)
            file.unlink()
            os.mkfifo(file)
        return found

    monkeypatch.setattr(os, "stat", swap)
    with pytest.raises(NotRegular, match="FIFO"):
        open_regular(file)
    assert seen == ["a.wav"]


def test_what_is_not_there_has_no_kind_and_a_file_on_the_way_is_an_error(file):
    assert kind_of(file) == stat.S_IFREG
    assert kind_of(file.parent / "b.wav") is None
    assert kind_of(file.parent / "none" / "b.wav") is None
    with pytest.raises(NotADirectoryError):
        kind_of(file / "b.wav")


def test_a_folder_that_may_be_searched_and_not_listed_is_no_hindrance(file):
    if not hasattr(os, "O_PATH") or os.geteuid() == 0:
        pytest.skip("this system has no O_PATH, or root may list everything")
    file.parent.chmod(0o300)
    try:
        with open_regular(file) as opened:
            assert opened.read() == b"words"
    finally:
        file.parent.chmod(0o700)


def test_the_folder_of_a_path_stays_the_same_whatever_takes_its_name(file, tmp_path):
    with folder_of(file) as folder:
        file.parent.rename(tmp_path / "moved")
        (tmp_path / "inner").symlink_to("/")
        assert os.stat("a.wav", dir_fd=folder).st_size == len(b"words")


def test_no_descriptor_is_left_open(file, tmp_path):
    def count():
        return len(os.listdir("/dev/fd"))

    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(file)
    before = count()
    for path in (tmp_path / "fifo", tmp_path / "link", tmp_path / "none" / "x", file / "x"):
        with pytest.raises(OSError, match="Errno"):
            open_regular(path)
    open_regular(file).close()
    assert count() == before
