"""The files of /v1/tts: whose they are, and how long they stay."""

from __future__ import annotations

import io
import os
from pathlib import Path
from uuid import uuid4

import pytest

from servers.errors import NotFound, StorageFailed
from servers.tts.generated import LOOK_EVERY_S, GeneratedAudio

KEEP_S = 3_600.0


class Clock:
    now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


def kept(store: GeneratedAudio, folder: Path, at_s: float) -> Path:
    file = folder / store.keep(None, uuid4(), "wav", io.BytesIO(b"audio"))
    os.utime(file, (at_s, at_s))
    return file


def test_a_file_is_found_by_whoever_made_it_alone(tmp_path: Path) -> None:
    store, audio_id = GeneratedAudio(tmp_path, KEEP_S), uuid4()
    store.keep("alice", audio_id, "mp3", io.BytesIO(b"audio"))
    file, format = store.open("alice", audio_id)
    with file:
        assert (file.read(), format) == (b"audio", "mp3")
    for other in ("bob", None):
        with pytest.raises(NotFound):
            store.open(other, audio_id)


def test_an_old_file_goes_with_the_next_request(tmp_path: Path) -> None:
    clock = Clock()
    store = GeneratedAudio(tmp_path, KEEP_S, clock)
    old = kept(store, tmp_path, clock.now_s)
    clock.now_s += KEEP_S - 1
    young = kept(store, tmp_path, clock.now_s)
    assert old.exists()
    clock.now_s += LOOK_EVERY_S + 1
    with pytest.raises(NotFound):
        store.open(None, uuid4())
    assert [file.exists() for file in (old, young)] == [False, True]


def test_what_another_process_left_half_written_goes_too(tmp_path: Path) -> None:
    clock = Clock()
    store = GeneratedAudio(tmp_path, KEEP_S, clock)
    half = kept(store, tmp_path, clock.now_s).with_name(".unfinished-abc")
    half.touch()
    os.utime(half, (1.0, 1.0))
    clock.now_s += LOOK_EVERY_S + 1
    store.clear()
    assert not half.exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = GeneratedAudio(tmp_path / "file", KEEP_S)
    with pytest.raises(StorageFailed, match="the audio could not be stored"):
        store.keep(None, uuid4(), "wav", io.BytesIO(b"audio"))
