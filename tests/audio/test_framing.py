"""Frames of 20 ms: the same samples in the same order, however they came."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.audio.framing import FRAME_BYTES, FRAME_SAMPLES, Framer


def noise(length):
    return np.random.default_rng(length).integers(-32768, 32768, length).astype(np.int16)


def test_a_frame_is_20_ms_at_48_khz():
    assert (FRAME_SAMPLES, FRAME_BYTES) == (960, 1920)


@given(length=st.integers(0, 5 * FRAME_SAMPLES), cuts=st.lists(st.integers(0, 5 * FRAME_SAMPLES)))
def test_frames_joined_are_the_samples_and_silence_at_the_end(length, cuts):
    samples, framer = noise(length), Framer()
    bounds = [0, *sorted(min(cut, length) for cut in cuts), length]
    frames = [frame for a, b in pairwise(bounds) for frame in framer.push(samples[a:b])]
    assert len(frames) == length // FRAME_SAMPLES
    last = framer.finish()
    padding = -length % FRAME_SAMPLES
    if last is not None:
        frames.append(last.pcm)
    assert (last.padding if last else 0) == padding
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    assert b"".join(frames) == samples.astype("<i2").tobytes() + bytes(2 * padding)


def test_whole_frames_leave_no_last_one_to_be_padded():
    framer = Framer()
    assert len(framer.push(noise(2 * FRAME_SAMPLES))) == 2
    assert framer.finish() is None


def test_after_its_end_a_framer_begins_anew():
    framer = Framer()
    framer.push(noise(1))
    framer.finish()
    (frame,) = framer.push(noise(FRAME_SAMPLES))
    assert frame == noise(FRAME_SAMPLES).tobytes()


def test_samples_that_are_not_int16_are_refused():
    with pytest.raises(TypeError):
        Framer().push(np.zeros(10, np.float32))
