"""An utterance's frames do not tell how its audio came, nor how often its model began it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.audio.framing import FRAME_BYTES, FRAME_SAMPLES
from servers.rpc.levelling import AsSpoken, Loudness, Method
from servers.rpc.spoken import Frame, Frames
from servers.speech import Chunk, Word

RATE_HZ = 24_000
SAMPLES = np.random.default_rng(1).integers(-9_000, 9_000, 7_001).astype(np.int16)
WORDS = [Word(word="one", start=0.0, end=0.1), Word(word="two", start=0.15, end=0.25)]
CUTS = st.lists(st.integers(0, len(SAMPLES)), max_size=8).map(sorted)


def frames_of(loudness: Loudness | None = None) -> Frames:
    return Frames(AsSpoken() if loudness is None else loudness.leveller(-20.0))


def chunks(cuts: list[int], samples=SAMPLES) -> list[Chunk]:
    edges = [0, *cuts, len(samples)]
    return [Chunk(samples[a:b], RATE_HZ) for a, b in pairwise(edges)]


def spoken(frames: Frames, sentences: list[list[Chunk]], words=()) -> list[Frame]:
    made: list[Frame] = []
    for sentence in sentences:
        for chunk in sentence:
            made += frames.push(chunk)
        frames.end_sentence(words)
    return [*made, *frames.finish()]


def audio(frames: list[Frame]) -> bytes:
    return b"".join(frame.audio for frame in frames)


@settings(deadline=None)
@given(CUTS, CUTS, st.sampled_from([Method.NONE, Method.VOICE, Method.INTEGRATED, Method.RMS]))
def test_the_frames_are_the_same_however_the_audio_is_cut(first, second, method) -> None:
    loudness = Loudness(method, -16.0)
    whole = spoken(frames_of(loudness), [chunks([]), chunks([])], WORDS)
    assert spoken(frames_of(loudness), [chunks(first), chunks(second)], WORDS) == whole


def test_every_sample_is_in_a_frame_and_the_padding_is_what_is_missing() -> None:
    made = spoken(frames_of(), [chunks([100])])
    assert {len(frame.audio) for frame in made} == {FRAME_BYTES}
    assert len(made) * FRAME_SAMPLES - made[-1].padding == 2 * len(SAMPLES)
    assert [frame.is_last for frame in made] == [False] * (len(made) - 1) + [True]


@settings(deadline=None)
@given(CUTS, CUTS, st.integers(0, 8), st.integers(0, 8))
def test_a_model_that_begins_again_is_not_heard_to(first, second, heard, heard_again) -> None:
    frames = frames_of()
    made: list[Frame] = []
    for count in (heard, heard_again):
        for chunk in chunks(first)[:count]:
            made += frames.push(chunk)
        frames.begin_again()
    made += spoken(frames, [chunks(second)], WORDS)
    assert made == spoken(frames_of(), [chunks([])], WORDS) or audio(made) == audio(
        spoken(frames_of(), [chunks([])], WORDS)
    )


def test_words_of_a_second_attempt_are_told_once() -> None:
    frames = frames_of()
    made = [*frames.push(Chunk(SAMPLES[:4_000], RATE_HZ, tuple(WORDS[:1])))]
    frames.begin_again()
    made += frames.push(Chunk(SAMPLES[:5_000], RATE_HZ, tuple(WORDS)))
    made += frames.push(Chunk(SAMPLES[5_000:], RATE_HZ))
    frames.end_sentence(WORDS)
    made += frames.finish()
    assert [word.word for frame in made for word in frame.words] == ["one", "two"]


def test_a_second_attempt_that_is_shorter_leaves_the_time_of_what_follows_right() -> None:
    frames = frames_of()
    made = [*frames.push(Chunk(SAMPLES[:6_000], RATE_HZ))]
    frames.begin_again()
    made += frames.push(Chunk(SAMPLES[:3_000], RATE_HZ))
    frames.end_sentence(WORDS[:1])
    made += spoken(frames, [chunks([])], WORDS[:1])
    starts = [word.start for frame in made for word in frame.words]
    assert starts == [0.0, 6_000 / RATE_HZ]
    assert len(made) * FRAME_SAMPLES - made[-1].padding == 2 * (6_000 + len(SAMPLES))


def test_words_are_in_the_frame_that_they_begin_in_and_in_the_utterance_s_time() -> None:
    made = spoken(frames_of(), [chunks([500]), chunks([])], WORDS)
    told = [(word.word, word.start) for frame in made for word in frame.words]
    second = len(SAMPLES) / RATE_HZ
    assert told == [("one", 0.0), ("two", 0.15), ("one", second), ("two", second + 0.15)]


def test_an_utterance_of_which_nothing_is_heard_has_no_frame() -> None:
    frames = frames_of()
    frames.end_sentence([])
    assert list(frames.finish()) == []
