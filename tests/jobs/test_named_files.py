"""Where the files may lie that a job names, and what may be there."""

from __future__ import annotations

import os

import pytest

from servers.errors import InvalidRequest, UnsupportedAudio
from servers.jobs.named_files import anywhere, below_roots, check_kind


@pytest.fixture
def root(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    return tmp_path / "root"


def test_a_root_may_be_a_link_and_may_be_named_by_either_name(root, tmp_path):
    for named in (root, tmp_path / "real"):
        assert below_roots(str(named / "a.wav"), [root], "p") == tmp_path / "real" / "a.wav"


def test_a_root_below_another_may_be_a_link_there(root, tmp_path):
    assert below_roots(str(root / "a.wav"), [tmp_path, root], "p") == tmp_path / "real" / "a.wav"


@pytest.mark.parametrize("target", ["/etc", "inner"])
def test_a_link_below_a_root_is_refused_wherever_it_leads(root, target):
    (root / "inner").mkdir()
    (root / "link").symlink_to(target)
    for path in (root / "link", root / "link" / "passwd"):
        with pytest.raises(InvalidRequest, match="links are not followed, and 'link' is one") as raised:
            below_roots(str(path), [root], "payload.audio_path")
        assert raised.value.param == "payload.audio_path"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("a.wav", "must be an absolute path"),
        ("/{root}/../a.wav", "must be an absolute path"),
        ("/etc/passwd", "must lie under one of"),
        ("{root}-beside/a.wav", "must lie under one of"),
        ("/tmp/a\0", "NUL"),
    ],
)
def test_what_is_not_under_a_root_is_refused(root, path, says):
    with pytest.raises(InvalidRequest, match=says) as raised:
        below_roots(path.format(root=root), [root], "p")
    assert raised.value.param == "p"


def test_for_whoever_may_read_everything_links_are_followed_once(root, tmp_path):
    (tmp_path / "real" / "a.wav").touch()
    (tmp_path / "link.wav").symlink_to(root / "a.wav")
    assert anywhere(tmp_path / "link.wav") == tmp_path / "real" / "a.wav"


def test_audio_is_a_regular_file_or_nothing_yet(tmp_path):
    os.mkfifo(tmp_path / "fifo.wav")
    for path, says in ((tmp_path / "fifo.wav", "a FIFO"), (tmp_path, "a folder")):
        with pytest.raises(UnsupportedAudio, match=says) as raised:
            check_kind(path, "payload.audio_path", is_audio=True)
        assert raised.value.param == "payload.audio_path"
    check_kind(tmp_path / "none.wav", "p", is_audio=True)


def test_another_path_may_be_a_folder_and_no_fifo(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    check_kind(tmp_path, "p", is_audio=False)
    with pytest.raises(InvalidRequest, match="a FIFO"):
        check_kind(tmp_path / "fifo", "p", is_audio=False)
