"""Voices on the disk: whose they are, that a name is taken once, and that nothing is half there."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from servers.cloned_voices import LEFT_BEHIND_S, ClonedVoice, ClonedVoices
from servers.errors import Conflict, NotFound, StorageFailed, TooLarge


@pytest.fixture
def voices(tmp_path: Path) -> ClonedVoices:
    return ClonedVoices(tmp_path, most=3)


def voice(name: str = "Anna", clip: str = "a.wav") -> ClonedVoice:
    return ClonedVoice(
        name=name,
        clip=clip,
        reference_text="so it is",
        consent="she has signed it",
        duration_s=2.0,
        created_at=1.0,
    )


def test_a_voice_is_found_by_its_name_however_that_is_written(voices: ClonedVoices) -> None:
    voices.add("a", voice(), b"sound")
    assert voices.find("a", "Anna") == voices.find("a", "anna") == voice()
    assert voices.clip("a", voice()).read_bytes() == b"sound"
    assert voices.of("a") == [voice()]


def test_a_voice_is_its_owners_alone(voices: ClonedVoices) -> None:
    voices.add("a", voice(), b"a's")
    for other in ("b", None):
        assert voices.find(other, "Anna") is None
        assert voices.of(other) == []
        with pytest.raises(NotFound):
            voices.remove(other, "Anna")
    voices.add(None, voice(), b"everyone's")
    assert voices.clip("a", voice()).read_bytes() == b"a's"


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", ".hidden", "a\0b", "x" * 65, None])
def test_what_can_be_no_name_is_found_nowhere(voices: ClonedVoices, name: str | None) -> None:
    voices.add(None, voice(), b"sound")
    assert voices.find(None, name) is None


def test_of_many_who_take_a_name_at_once_one_has_it(voices: ClonedVoices) -> None:
    def add(number: int) -> bool:
        try:
            voices.add("a", voice(clip=f"{number}.wav"), b"%d" % number)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(8))) == 1
    found = voices.find("a", "Anna")
    assert found is not None
    assert voices.clip("a", found).read_bytes() == found.clip.removesuffix(".wav").encode()


def test_a_removed_voice_leaves_no_file_and_its_name_is_free(voices: ClonedVoices, tmp_path: Path) -> None:
    voices.add("a", voice(), b"sound")
    voices.remove("a", "ANNA")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
    assert voices.find("a", "Anna") is None
    voices.add("a", voice(clip="b.wav"), b"another")


def test_a_key_has_so_many_and_no_more(voices: ClonedVoices) -> None:
    for name in ("one", "two", "three"):
        voices.add("a", voice(name), b"sound")
    with pytest.raises(TooLarge, match="remove one first"):
        voices.add("a", voice("four"), b"sound")
    voices.add("b", voice("four"), b"sound")


def test_what_a_process_that_died_has_left_is_removed_later(voices: ClonedVoices, tmp_path: Path) -> None:
    voices.add("a", voice(), b"sound")
    (home,) = (tmp_path / "voices").iterdir()
    for name, age_s in (("old", LEFT_BEHIND_S + 60), ("new", 0)):
        shutil.copytree(home / "anna", home / f".{name}")
        at = (home / f".{name}").stat().st_mtime - age_s
        os.utime(home / f".{name}", (at, at))
    assert voices.of("a") == [voice()]
    voices.add("a", voice("Bert"), b"sound")
    assert sorted(each.name for each in home.iterdir()) == [".new", "anna", "bert"]


def test_a_disk_that_cannot_be_written_is_said(voices: ClonedVoices, tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("in the way")
    with pytest.raises(StorageFailed):
        voices.add("a", voice(), b"sound")
