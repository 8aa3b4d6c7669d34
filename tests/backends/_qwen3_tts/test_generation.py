"""One utterance from frames to audio, with a codec that says what it is given: no model is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [qwen]")
pytest.importorskip("qwen_tts", reason="needs the extra [qwen]")

import torch

from servers.backends._qwen3_tts.generation import (
    FRAMES_PER_TOKEN,
    SHORTEST_CAP,
    Components,
    Generation,
    Wants,
)
from servers.backends._qwen3_tts.prepared import Piece, PreparedUtterance
from servers.backends._qwen3_tts.prompts import Prompt, SpokenExample, VoicePrompt
from servers.backends._qwen3_tts.request import QwenOptions
from servers.backends._qwen3_tts.sampling import Sampling, noise
from servers.backends._qwen3_tts.talker import BROKEN
from servers.errors import BackendFailed
from servers.speech import Chunk, Speech

END = 2150
FRAME = 10
RATE = 200 * FRAME
"""A frame of the stand-in is 5 ms, as long as a fade."""


class FakePromptBuilder:
    """Notes what it is asked for; a token is a word."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, VoicePrompt]] = []

    def tokens(self, text: str) -> int:
        return len(text.split())

    def prompt(self, text: str, language: str | None, voice: VoicePrompt) -> Prompt:
        self.asked.append((text, voice))
        return Prompt(torch.zeros(3, 4), torch.zeros(1, 4))


class FakeStream:
    """Each frame sounds as its first code over 1000."""

    def __init__(self, decoder: FakeDecoder) -> None:
        self._decoder = decoder

    def prime(self, codes: torch.Tensor) -> None:
        self._decoder.primed.append(codes)

    def decode(self, codes: torch.Tensor) -> np.ndarray:
        return np.repeat((codes[:, 0] / 1000).numpy().astype(np.float32), FRAME)


class FakeDecoder:
    sample_rate = RATE

    def __init__(self) -> None:
        self.primed: list[torch.Tensor] = []

    def stream(self) -> FakeStream:
        return FakeStream(self)


GREEDY = Sampling(0, 0, 1)
PREPARED = PreparedUtterance(
    pieces=(Piece("One two three.", 0.0),),
    language=None,
    voice=VoicePrompt(),
    is_anchored=False,
    seed=5,
    talker=GREEDY,
    predictor=GREEDY,
    repetition_penalty=1.0,
    max_frames=1000,
    retries=False,
)
TWO_PIECES = replace(PREPARED, pieces=(Piece("One two.", 0.05), Piece("Three.", 0.0)))


def components(**options: Any) -> Components:
    given = QwenOptions.model_validate({"checkpoint": "x", "trim_silence": False, **options})
    return Components(FakePromptBuilder(), FakeDecoder(), END, given)  # type: ignore[arg-type]


def frame(code: int = 500) -> torch.Tensor:
    return torch.full((16,), code)


def heard(generation: Generation, *codes: int) -> list[Any]:
    """Everything that these first codes, in frames, let be heard."""
    items: list[Any] = []
    for code in codes:
        generation.add_frame(frame(code))
        if generation.is_due and generation.wants is Wants.FRAME:
            items += generation.add_samples(generation.stream.decode(generation.due))
    return items


def samples(items: list[Any]) -> np.ndarray:
    return np.concatenate([item.samples for item in items if isinstance(item, Chunk)])


def test_chunks_grow_until_they_are_full_and_the_rest_comes_at_the_end():
    generation = Generation(PREPARED, components(first_chunk_frames=2, chunk_frames=5))
    generation.row()
    sizes = [
        len(item.samples) / FRAME for item in heard(generation, *[500] * 13, END) if isinstance(item, Chunk)
    ]
    assert sizes == [1, 4, 5, 3]  # 2, 4, 5 and 2 frames, of which one is held back until the next
    assert generation.wants is Wants.NOTHING


def test_of_frames_that_waited_longer_than_for_a_full_chunk_the_rest_waits_for_the_next():
    generation = Generation(PREPARED, components(first_chunk_frames=1, chunk_frames=2))
    generation.row()
    heard(generation, 500)
    for code in (400, 300, 200):
        generation.add_frame(frame(code))
    assert generation.due[:, 0].tolist() == [400, 300]
    items = list(generation.add_samples(generation.stream.decode(generation.due)))
    assert generation.due[:, 0].tolist() == [200]
    items += heard(generation, END)
    np.testing.assert_array_equal(samples(items)[-FRAME:], np.repeat(np.float32([0.2]), FRAME))


def test_an_end_is_stop_and_no_frame():
    generation = Generation(PREPARED, components())
    generation.row()
    *_, speech = items = heard(generation, 500, 400, END)
    assert speech == Speech(finish_reason="stop")
    np.testing.assert_array_equal(samples(items), np.repeat(np.float32([0.5, 0.4]), FRAME))


@pytest.mark.parametrize(
    ("words", "limit", "cap"), [(3, 1000, SHORTEST_CAP), (20, 1000, 20 * FRAMES_PER_TOKEN), (20, 7, 7)]
)
def test_a_piece_is_cut_by_its_length_and_by_the_limit(words, limit, cap):
    prepared = replace(PREPARED, pieces=(Piece("word " * words, 0.0),), max_frames=limit)
    generation = Generation(prepared, components())
    assert len(generation.row().noise) == cap
    items = heard(generation, *[500] * cap)
    assert items[-1] == Speech(finish_reason="length")
    assert len(samples(items)) == cap * FRAME


def test_a_runaway_is_said_again_once_with_other_noise_and_nothing_of_it_is_heard():
    generation = Generation(replace(PREPARED, max_frames=6, retries=True), components())
    first = generation.row()
    assert heard(generation, *[500] * 6) == []
    assert generation.wants is Wants.ROW
    second = generation.row()
    assert not torch.equal(first.noise, second.noise)
    items = heard(generation, 400, 300, 200, END)
    assert items[-1] == Speech(finish_reason="stop")
    np.testing.assert_array_equal(samples(items), np.repeat(np.float32([0.4, 0.3, 0.2]), FRAME))


def test_a_second_runaway_is_delivered_as_it_is():
    generation = Generation(replace(PREPARED, max_frames=6, retries=True), components())
    for _ in range(2):
        generation.row()
        items = heard(generation, *[500] * 6)
    assert items[-1] == Speech(finish_reason="length")
    assert len(samples(items)) == 6 * FRAME


def test_pieces_are_joined_with_a_fade_and_a_pause():
    generation = Generation(TWO_PIECES, components())
    generation.row()
    items = heard(generation, *[500] * 4, END)
    assert generation.wants is Wants.ROW
    generation.row()
    whole = samples(items + heard(generation, *[500] * 3, END))
    pause = round(0.05 * RATE)
    assert len(whole) == 7 * FRAME + pause
    faded = whole[3 * FRAME : 4 * FRAME]
    assert faded[0] == np.float32(0.5)
    assert faded[-1] == 0
    assert (np.diff(faded) < 0).all()
    assert not whole[4 * FRAME : 4 * FRAME + pause].any()


def test_each_piece_has_noise_of_its_own():
    generation = Generation(TWO_PIECES, components())
    first = generation.row().noise
    heard(generation, 500, 500, END)
    second = generation.row().noise
    assert torch.equal(first, noise(5, (0, 0), len(first)))
    assert torch.equal(second, noise(5, (1, 0), len(second)))
    assert not torch.equal(first, second)


def test_later_pieces_of_a_voice_without_a_name_follow_the_first():
    model = components()
    generation = Generation(replace(TWO_PIECES, is_anchored=True), model)
    generation.row()
    heard(generation, 500, 400, END)
    generation.row()
    (_, before), (text, voice) = model.prompts.asked  # type: ignore[attr-defined]
    assert before.example is None
    assert text == "Three."
    assert isinstance(voice.example, SpokenExample)
    assert voice.example.text == "One two."
    assert torch.equal(voice.example.codes, torch.stack([frame(500), frame(400)]))
    assert torch.equal(model.decoder.primed[0], voice.example.codes)  # type: ignore[attr-defined]


def test_a_runaway_is_nothing_to_follow():
    model = components()
    prepared = replace(TWO_PIECES, pieces=(*TWO_PIECES.pieces, Piece("Four.", 0.0)), is_anchored=True)
    generation = Generation(prepared, model)
    generation.row()
    heard(generation, *[500] * SHORTEST_CAP)
    generation.row()
    heard(generation, 300, 300, END)
    generation.row()
    spoken = [voice.example for _, voice in model.prompts.asked]  # type: ignore[attr-defined]
    assert [each and each.text for each in spoken] == [None, None, "Three."]


def test_one_piece_that_was_cut_makes_the_whole_length():
    generation = Generation(TWO_PIECES, components())
    generation.row()
    heard(generation, *[500] * SHORTEST_CAP)
    generation.row()
    assert heard(generation, 500, 500, END)[-1] == Speech(finish_reason="length")


def test_a_text_whose_limit_is_reached_ends_there():
    generation = Generation(replace(TWO_PIECES, max_frames=4), components())
    generation.row()
    assert heard(generation, *[500] * 4)[-1] == Speech(finish_reason="length")
    assert generation.wants is Wants.NOTHING


def test_numbers_that_overflowed_are_an_error_that_says_what_prevents_it():
    generation = Generation(PREPARED, components())
    generation.row()
    with pytest.raises(BackendFailed, match="float32"):
        heard(generation, BROKEN)


def test_progress_goes_on_through_pieces_and_never_back():
    generation = Generation(replace(TWO_PIECES, retries=True, max_frames=40), components())
    fractions = []
    for ends_after in (40, 5, 3):
        generation.row()
        for _ in range(ends_after):
            heard(generation, 500)
            fractions.append(generation.progress().fraction)
        if generation.wants is Wants.FRAME:
            heard(generation, END)
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < fractions[-1] < 1


def test_a_text_begins_with_its_first_sound():
    generation = Generation(PREPARED, components(trim_silence=True))
    generation.row()
    items = heard(generation, *[0] * 60, *[500] * 4, END)
    assert len(samples(items)) == 4 * FRAME + round(0.04 * RATE)
