"""Utterances that join a running batch of Qwen3-TTS say what they say alone, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from servers.backends._qwen3_tts.request import QwenUtterance
from servers.backends.qwen3_tts import Qwen3Tts
from servers.speech import Chunk, Speech

from .conftest import LoadQwen
from .contract import Timetable, by_index, check_served, joined_by

SAME = 1e-4
"""Codes are the same bit for bit; their audio is the same sums in another order, as in test_codec.py."""
ASKED_PER_FRAME = 2
FRAMES = 20


@pytest.fixture
def backend(load_qwen: LoadQwen) -> Qwen3Tts:
    return load_qwen("custom_voice", trim_silence=False, chunk_frames=4)[0]


def utterance(number: int, frames: int = FRAMES, **settings: Any) -> QwenUtterance:
    """Texts of different lengths, each with settings of its own."""
    voice, temperature = ["vivian", "ryan", "dylan"][number % 3], [0.9, 0, 1.4][number % 3]
    text = "Some words to say. " * (number + 1)
    asked = {"voice": voice, "temperature": temperature, "seed": number, "max_frames": frames} | settings
    return QwenUtterance(text=text, **asked)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, list[Any]]]:
    """The frames of codes of each index, as they are made."""
    from servers.backends._qwen3_tts.batch import ContinuousBatch
    from servers.backends._qwen3_tts.generation import Generation

    add, add_frame = ContinuousBatch.add, Generation.add_frame
    frames: dict[int, list[Any]] = {}
    indexes: dict[Generation, int] = {}

    def note(batch: Any, index: int, generation: Any, **settings: Any) -> None:
        indexes[generation], frames[index] = index, []
        add(batch, index, generation, **settings)

    def note_frame(generation: Any, frame: Any) -> None:
        frames[indexes[generation]].append(frame)
        add_frame(generation, frame)

    monkeypatch.setattr(ContinuousBatch, "add", note)
    monkeypatch.setattr(Generation, "add_frame", note_frame)
    return frames


def audio(yielded: Sequence[Any]) -> np.ndarray:
    return np.concatenate([item.samples for item in yielded if isinstance(item, Chunk)])


def spoken(
    backend: Qwen3Tts,
    said: Mapping[int, Sequence[Any]],
    batch: Sequence[QwenUtterance],
    joining: Mapping[int, Sequence[QwenUtterance]],
) -> dict[int, tuple[list[list[int]], np.ndarray]]:
    """Codes and audio by index; `joining` says after how many frames who arrives."""
    arrivals = Timetable({ASKED_PER_FRAME * frame + 1: who for frame, who in joining.items()})
    found = by_index(joined_by(backend, "synthesize", batch, arrivals))
    check_served(found, range(len(batch) + sum(map(len, joining.values()))))
    return {index: (codes(said[index]), audio(yielded)) for index, yielded in found.items()}


def codes(frames: Sequence[Any]) -> list[list[int]]:
    return [frame.tolist() for frame in frames]


def assert_said(one: tuple[Any, np.ndarray], other: tuple[Any, np.ndarray]) -> None:
    assert one[0] == other[0]
    np.testing.assert_allclose(one[1], other[1], atol=SAME, rtol=0)
    assert np.abs(one[1]).max() > 100 * SAME


@pytest.mark.parametrize("frame", [0, 1, 2, 3, 7, 13, 19])
def test_whoever_joins_at_any_frame_says_what_is_said_alone(backend, said, frame):
    alone = [spoken(backend, said, [utterance(number)], {})[0] for number in range(3)]
    found = spoken(backend, said, [utterance(0)], {frame: [utterance(1), utterance(2)]})
    for number in range(3):
        assert_said(found[number], alone[number])


def test_who_comes_and_goes_changes_nothing_of_the_others(backend, said):
    alone = spoken(backend, said, [utterance(4, 60)], {})[0]
    brief = {frame: [utterance(frame % 3, 3 + frame % 5)] for frame in range(2, 50, 4)}
    found = spoken(backend, said, [utterance(4, 60)], brief)
    assert_said(found[0], alone)


def test_whoever_is_cancelled_changes_nothing_of_the_others(backend, said):
    alone = [spoken(backend, said, [utterance(number)], {})[0] for number in (0, 2)]
    arrivals = Timetable({5: [utterance(2)]})
    found: dict[int, list[Any]] = {}
    for index, item in joined_by(backend, "synthesize", [utterance(0), utterance(1, 60)], arrivals):
        found.setdefault(index, []).append(item)
        if arrivals.asked > 12:
            arrivals.gone.add(1)
    assert len(said[1]) < 10
    for index, expected in zip((0, 2), alone, strict=True):
        assert_said((codes(said[index]), audio(found[index])), expected)


def test_the_first_chunk_of_whoever_joins_comes_after_its_own_second_frame(backend, said):
    arrivals = Timetable({11: [utterance(1)]})
    for index, item in joined_by(backend, "synthesize", [utterance(0, 40)], arrivals):
        if index == 1 and isinstance(item, Chunk):
            break
    assert len(said[1]) == 2
    assert arrivals.asked == 11 + 3  # before its second frame, and once after each


def test_those_for_whom_there_is_no_room_wait_for_it(load_qwen, said):
    narrow = load_qwen("custom_voice", trim_silence=False, max_batch=2)[0]
    many = [utterance(number % 3, 4 + number) for number in range(6)]
    found = spoken(narrow, said, many[:1], {1: many[1:4], 3: many[4:]})
    for number, each in enumerate(many):
        assert_said(found[number], spoken(narrow, said, [each], {})[0])


def test_chunks_of_rows_that_came_a_few_frames_apart_are_decoded_in_one_run(backend, said, monkeypatch):
    decoder = backend._components.decoder
    decode, runs = decoder.decode, []
    monkeypatch.setattr(
        decoder, "decode", lambda streams, codes: runs.append(len(streams)) or decode(streams, codes)
    )
    endless = [utterance(0, 90 - 10 * number, temperature=0) for number in range(2)]
    spoken(backend, said, endless[:1], {3: endless[1:]})
    assert [len(said[number]) for number in range(2)] == [90, 80]
    joined = runs[runs.index(2) :]
    assert joined[:15] == [2] * 15, runs


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_in_half_precision_a_seeded_arrival_is_spoken_alone_and_later_ones_wait_behind_it(
    load_qwen, said, dtype
):
    backend = load_qwen("custom_voice", trim_silence=False, dtype=dtype)[0]
    alone = spoken(backend, said, [utterance(1)], {})[0]
    free = [utterance(number, 8, seed=None) for number in (0, 2)]
    arrivals = Timetable({3: [utterance(1)], 5: [free[1]]})
    found = list(joined_by(backend, "synthesize", free[:1], arrivals))
    assert [index for index, item in found if isinstance(item, Speech)] == [0, 1, 2]
    heard = [index for index, _ in found]
    assert heard == sorted(heard)
    assert_said((codes(said[1]), audio(by_index(iter(found))[1])), alone)


def test_a_batch_that_is_joined_again_and_again_looks_back_at_no_more_than_its_rows_do(
    backend, said, monkeypatch
):
    from servers.backends._qwen3_tts.talker import Talker

    step, lengths = Talker.step, []
    monkeypatch.setattr(
        Talker, "step", lambda talker, state: lengths.append(state.cache.length) or step(talker, state)
    )
    relay = {frame: [utterance(0, 10)] for frame in range(5, 200, 5)}
    spoken(backend, said, [utterance(0, 10)], relay)
    assert len(lengths) > 150
    assert max(lengths[100:]) <= max(lengths[:100])
