"""AAC: frames that say what they are."""

from __future__ import annotations

import io

import numpy as np
import pytest

from servers.audio.aac import ADTS_HEADER_BYTES, AacFile, adts_header
from servers.audio.containers import HEAD_BYTES, kind_of

from .decoded import decoded, spoken

pytest.importorskip("av", reason="needs the extra [av]")


def test_a_header_is_that_of_ffmpeg():
    assert adts_header(24000, 200) == bytes.fromhex("fff1584019fffc")
    assert ADTS_HEADER_BYTES == 7


def test_a_header_says_the_length_and_the_rate():
    header = int.from_bytes(adts_header(44100, 1000), "big")
    assert header >> 13 & 0x1FFF == 1007
    assert header >> 34 & 0xF == 4


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 48000])
def test_every_frame_is_found_again(rate):
    file = io.BytesIO()
    with AacFile(file, rate) as aac:
        for _ in range(10):
            aac.write(spoken(0.1, rate))
    data = file.getvalue()
    assert kind_of(data[:HEAD_BYTES]).name == "aac"
    frames = 0
    while data:
        assert data[:2] == b"\xff\xf1"
        data = data[int.from_bytes(data[:7], "big") >> 13 & 0x1FFF :]
        frames += 1
    back, back_rate = decoded(file.getvalue(), "aac")
    assert (back_rate, len(back)) == (rate, frames * 1024)


def test_of_no_samples_there_is_no_frame():
    file = io.BytesIO()
    with AacFile(file, 24000) as aac:
        aac.write(np.zeros(0, np.int16))
    assert file.getvalue() == b""


def test_closing_twice_writes_the_rest_once():
    file = io.BytesIO()
    aac = AacFile(file, 24000)
    aac.write(spoken(0.1, 24000))
    aac.close()
    written = file.getvalue()
    aac.close()
    assert file.getvalue() == written
